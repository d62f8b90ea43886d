#!/usr/bin/env bash
# confluent-kafka 2.16.1 on Apache Kafka 4.1.1: `Consumer.consume(500, timeout=0.5)` gives back what has come only when 500 records
# have or the timeout is over, so a steady trickle is read half a timeout late; `poll` (and aiokafka's `getmany`, asked for the
# same with the same timeout) answers with the first record. A larger batch size makes it later, not faster.
# Seen: 100 records, one each 20 ms: median age 266 ms when `consume` returns it, 4 ms by `poll`, 4 ms by `getmany`.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1 aiokafka==0.14.0
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import asyncio
import statistics
import sys
import threading
import time
from pathlib import Path

import aiokafka
import servers
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

N, PAUSE, WAIT = 100, 0.02, 0.5


def trickle(address: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": address, "log_level": 0, "linger.ms": 0})
    for _ in range(N):
        producer.produce(topic, repr(time.perf_counter()).encode())
        producer.poll(0)
        time.sleep(PAUSE)
    producer.flush()


def by(read, address: str, topic: str) -> float:
    """Median age in ms of records when `read` gives them back."""
    ages: list[float] = []
    consumer = Consumer({"bootstrap.servers": address, "log_level": 0, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    consumer.poll(1)
    writer = threading.Thread(target=trickle, args=(address, topic))
    writer.start()
    while len(ages) < N:
        messages = read(consumer)
        ages += [time.perf_counter() - float(each.value()) for each in messages]
    writer.join()
    consumer.close()
    return statistics.median(ages) * 1000


async def by_getmany(address: str, topic: str) -> float:
    ages: list[float] = []
    consumer = aiokafka.AIOKafkaConsumer(topic, bootstrap_servers=address, auto_offset_reset="earliest")
    await consumer.start()
    writer = threading.Thread(target=trickle, args=(address, topic))
    writer.start()
    while len(ages) < N:
        found = await consumer.getmany(timeout_ms=int(WAIT * 1000), max_records=500)
        ages += [time.perf_counter() - float(each.value) for some in found.values() for each in some]
    writer.join()
    await consumer.stop()
    return statistics.median(ages) * 1000


with servers.kafka(Path(sys.argv[1])) as address:
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    for created in admin.create_topics([NewTopic(name, 1, 1) for name in "abc"]).values():
        created.result()
    full = by(lambda consumer: consumer.consume(500, WAIT), address, "a")
    first = by(lambda consumer: [m for m in [consumer.poll(WAIT)] if m is not None], address, "b")
    many = asyncio.run(by_getmany(address, "c"))
print(f"median age: consume {full:.0f} ms, poll {first:.0f} ms, getmany {many:.0f} ms")
assert full > WAIT * 1000 / 4 > 4 * max(first, many)
PY

#!/usr/bin/env bash
# aiokafka 0.14.0 and kafka-python 3.0.12 read the records of aborted transactions by default, confluent-kafka 2.16.1 does not:
# the same topic has different contents for consumers in one program. isolation_level="read_committed" mends it.
# Seen on Apache Kafka 4.1.1, 3 plain records and 5 aborted: confluent-kafka 3; kafka-python 8, aiokafka 8; with read_committed 3.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1 aiokafka==0.14.0 kafka-python==3.0.12
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import asyncio
import sys
from pathlib import Path

import aiokafka
import kafka
import servers
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


def by_confluent(address: str) -> int:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "g", "enable.partition.eof": True})
    consumer.assign([TopicPartition("t", 0, 0)])
    n = 0
    while (message := consumer.poll(10)) is not None and message.error() is None:
        n += 1
    consumer.close()
    return n


def by_kafka_python(address: str, **options: str) -> int:
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=address, auto_offset_reset="earliest", consumer_timeout_ms=5000, **options
    )
    consumer.assign([kafka.TopicPartition("t", 0)])
    n = len(list(consumer))
    consumer.close()
    return n


async def by_aiokafka(address: str, **options: str) -> int:
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", **options)
    await consumer.start()
    consumer.assign([aiokafka.TopicPartition("t", 0)])
    n = 0
    while found := await consumer.getmany(timeout_ms=5000):
        n += sum(map(len, found.values()))
    await consumer.stop()
    return n


with servers.kafka(Path(sys.argv[1])) as address:
    quiet = {"bootstrap.servers": address, "log_level": 0}
    admin = AdminClient(quiet)
    admin.create_topics([NewTopic("t", 1, 1)])["t"].result()
    plain, transactional = Producer(quiet), Producer(quiet | {"transactional.id": "x"})
    transactional.init_transactions(60)
    transactional.begin_transaction()
    for producer, n in ((plain, 3), (transactional, 5)):
        for _ in range(n):
            producer.produce("t", b"x")
        producer.flush()
    transactional.abort_transaction()
    committed = {"isolation_level": "read_committed"}
    seen = {
        "confluent-kafka": by_confluent(address),
        "kafka-python": by_kafka_python(address),
        "aiokafka": asyncio.run(by_aiokafka(address)),
        "kafka-python, read_committed": by_kafka_python(address, **committed),
        "aiokafka, read_committed": asyncio.run(by_aiokafka(address, **committed)),
    }
for name, n in seen.items():
    print(f"{name}: {n} records")
assert list(seen.values()) == [3, 8, 8, 3, 3]
PY

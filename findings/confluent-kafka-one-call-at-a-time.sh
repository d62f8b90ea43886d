#!/usr/bin/env bash
# confluent-kafka 2.16.1: a Consumer lets one call in at a time, also those that only look at what is in memory: while one
# thread waits in `poll(3)`, `assignment()` of another thread takes as long. With 2.15.0 it returned at once, as librdkafka's
# own functions do. A commit with `asynchronous=False` has no bound, and holds up every other call meanwhile.
# Seen: 2.15.0 under 1 s, 2.16.1 over 2 s (2.8 s of the 3 in which the other thread polls).
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cat >"$tmp/look.py" <<'PY'
import threading
import time

from confluent_kafka import Consumer

consumer = Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "group", "log_level": 0})
polling = threading.Thread(target=consumer.poll, args=(3.0,))
polling.start()
time.sleep(0.2)
began = time.monotonic()
consumer.assignment()
seconds = time.monotonic() - began
print("at-once" if seconds < 1 else "waited" if seconds > 2 else f"{seconds:.1f} s")
polling.join()
PY
seen=""
for version in 2.15.0 2.16.1; do
    "${PYTHON:-python3}" -m venv "$tmp/$version"
    "$tmp/$version/bin/pip" install -q --disable-pip-version-check "confluent-kafka==$version"
    seen="$seen$version $("$tmp/$version/bin/python" "$tmp/look.py") "
done
echo "assignment() while another thread polls: $seen"
[ "$seen" = "2.15.0 at-once 2.16.1 waited " ]

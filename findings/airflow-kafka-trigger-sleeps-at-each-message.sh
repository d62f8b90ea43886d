#!/usr/bin/env bash
# apache-airflow-providers-apache-kafka 2.1.0 (apache-airflow-core 3.3.0): `AwaitMessageTrigger(poll_interval=5)`, "how long the trigger
# should sleep after reaching the end of the Kafka log", sleeps after every message that is not the awaited one, and not at the end:
# on a topic with other messages too, an event that is in the log already is told 5 s late for each of them. poll_interval=0
# mends it, and costs nothing: the poll itself waits at the end of the log (`poll_timeout`).
# Seen on Apache Kafka 4.1.1, one awaited message behind 3 others: told after 16 and 18 s by default (two runs), after 0 s with
# poll_interval=0.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check \
    apache-airflow-core==3.3.0 apache-airflow-providers-apache-kafka==2.1.0 confluent-kafka==2.16.1
echo 'def awaited(message): return message.value() == b"yes"' >"$tmp/filters.py"
AIRFLOW_HOME=$tmp/airflow PYTHONPATH=$(dirname "$0"):$tmp PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import asyncio
import json
import os
import sys
import time
from pathlib import Path

import servers
from airflow.providers.apache.kafka.triggers.await_message import AwaitMessageTrigger
from confluent_kafka import Producer

OTHERS = 3


async def told_after(**options) -> float:
    trigger = AwaitMessageTrigger(topics=["t"], apply_function="filters.awaited", **options)
    began = time.monotonic()
    async for _ in trigger.run():
        return time.monotonic() - began
    raise AssertionError("no event")


def settings_of(address: str, group: str) -> str:
    extra = {"bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest"}
    return json.dumps({"conn_type": "kafka", "extra": extra})


with servers.kafka(Path(sys.argv[1])) as address:
    producer = Producer({"bootstrap.servers": address})
    for value in [b"no"] * OTHERS + [b"yes"]:
        producer.produce("t", value)
    producer.flush()
    seconds = {}
    for name, options in (("default", {}), ("poll_interval=0", {"poll_interval": 0})):
        os.environ["AIRFLOW_CONN_KAFKA_DEFAULT"] = settings_of(address, name)
        seconds[name] = asyncio.run(told_after(**options))
    print({name: f"{each:.0f} s" for name, each in seconds.items()})
    assert seconds["default"] - seconds["poll_interval=0"] > 5 * OTHERS - 2, seconds
PY

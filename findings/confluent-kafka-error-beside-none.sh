#!/usr/bin/env bash
# confluent-kafka 2.16.1: a KafkaError cannot be compared with anything but an error or a number: `error == None`, and with it
# `error in (None, 3)` or `[error] == [None]`, raises, where Python's objects are just unequal: the comparison answers and leaves a
# TypeError set, which shows as "SystemError: returned a result with an exception set" at the end of the function.
# A delivery callback gives None for success and a KafkaError else, so a list of what it gave is asked like that.
# Seen: SystemError each time but for `error in (3, None)`, which ends at the number, and for `is None`.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1
"$tmp/venv/bin/python" - <<'PY'
import confluent_kafka
from confluent_kafka import KafkaError

error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
QUESTIONS = {
    "error == None": lambda: error == None,  # noqa: E711
    "error != None": lambda: error != None,  # noqa: E711
    "error == 'x'": lambda: error == "x",
    "[error] == [None]": lambda: [error] == [None],
    "error in (None, 3)": lambda: error in (None, 3),
    "error in (3, None)": lambda: error in (3, None),
    "error is None": lambda: error is None,
}


def answer(question: str) -> str:
    try:
        return str(QUESTIONS[question]())
    except (TypeError, SystemError) as raised:
        return type(raised).__name__


found = {question: answer(question) for question in QUESTIONS}
print(f"confluent-kafka {confluent_kafka.version()}:", "; ".join(f"{q}: {a}" for q, a in found.items()))
assert {found["error == None"], found["error in (None, 3)"]} <= {"SystemError", "TypeError"}
assert found["error in (3, None)"] == "True" and found["error is None"] == "False"
PY

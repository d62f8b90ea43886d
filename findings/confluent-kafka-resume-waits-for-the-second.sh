#!/usr/bin/env bash
# confluent-kafka 2.16.1 (librdkafka 2.16.0): a partition that is resumed brings its next record a second after it was paused,
# not after it was resumed, however soon that was: the thread that fetches looks again once a second, and resume() does not
# wake it. Settings of fetches do not change that. A seek() to the position behind resume() does: the record comes at once;
# with 2.3.0 not even that. Who pauses for a moment under backpressure reads one buffer a second.
# Seen: pause, resume after 0.3 s: the record 0.7 s later; with seek() 0.7 s later with 2.3.0, at once with 2.16.1.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cat >"$tmp/resume.py" <<'PY'
import statistics
import time

from confluent_kafka import Consumer, Producer, TopicPartition

# librdkafka brings a cluster along, for tests.
producer = Producer({"test.mock.num.brokers": 1, "log_level": 0})
[broker] = producer.list_topics("t", timeout=10).brokers.values()
for _ in range(20_000):
    producer.produce("t", b"x" * 100, partition=0)
producer.flush()
settings = {"fetch.wait.max.ms": 50, "fetch.queue.backoff.ms": 5, "group.id": "g", "log_level": 0}
consumer = Consumer(settings | {"bootstrap.servers": f"{broker.host}:{broker.port}", "enable.auto.commit": False})
partition = TopicPartition("t", 0, 0)
consumer.assign([partition])


def record():
    while (found := consumer.poll(1)) is None:
        pass
    return found


def seconds(sought):
    """From resume() to the next record."""
    for _ in range(50):
        last = record()
    consumer.pause([partition])
    time.sleep(0.3)
    consumer.resume([partition])
    if sought:
        consumer.seek(TopicPartition("t", 0, last.offset() + 1))
    began = time.monotonic()
    assert record().offset() == last.offset() + 1
    return time.monotonic() - began


resumed, sought = (statistics.median(seconds(way) for _ in range(5)) for way in (False, True))
consumer.close()
print(" ".join("at-once" if each < 0.1 else f"{each:.1f}" for each in (resumed, sought)))
PY
seen=""
for version in 2.3.0 2.16.1; do
    "${PYTHON:-python3}" -m venv "$tmp/$version"
    "$tmp/$version/bin/pip" install -q --disable-pip-version-check "confluent-kafka==$version"
    seen="$seen$version $("$tmp/$version/bin/python" "$tmp/resume.py") "
done
echo "seconds from resume() to the next record, without and with seek(): $seen"
[ "$seen" = "2.3.0 0.7 0.7 2.16.1 0.7 at-once " ]

"""Are the topics set as `stream_rec.schemas.topics` says, and what does it cost where they are not?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from stream_rec.doctor.finding import Finding
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import TOPICS, full_name
from stream_rec.settings import Settings

_LETTER_OVERHEAD = 4_096
"""Bytes of a dead letter beside the raw ones."""


def examine_topics(
    client: AdminClient, settings: Settings, names: Mapping[TopicName, int]
) -> Iterator[Finding]:
    """A finding for each setting of a topic that differs to a cost, or one that says that none does."""
    bus = settings.bus
    asked = {name: ConfigResource(ResourceType.TOPIC, full_name(bus.prefix, name)) for name in names}
    answers = client.describe_configs(list(asked.values()), request_timeout=bus.admin_timeout_seconds)
    is_right = True
    for name, resource in asked.items():
        found = {key: str(entry.value) for key, entry in answers[resource].result().items()}
        for finding in _differences(settings, name, found):
            is_right = False
            yield finding
    if is_right:
        yield Finding("ok", "topic settings are as they should be")


def _differences(settings: Settings, name: TopicName, found: Mapping[str, str]) -> Iterator[Finding]:
    # A broker that does not say (the embedded one) has nothing to set either.
    for key, wanted in TOPICS[name].config().items():
        if key in found and found[key] != wanted:
            yield _difference(settings, name, (key, found[key], wanted), _cost(key, found[key], wanted))
    limit = _number(found.get("max.message.bytes", ""))
    wanted_bytes = settings.bus.max_message_bytes
    if limit is not None and limit < wanted_bytes:
        key = "max.message.bytes"
        yield _difference(
            settings, name, (key, str(limit), str(wanted_bytes)), _cost_of_limit(settings, name, limit)
        )


def _difference(settings: Settings, name: TopicName, values: tuple[str, str, str], cost: str) -> Finding:
    key, is_now, wanted = values
    topic = full_name(settings.bus.prefix, name)
    what = f"topic {topic} has {key}={is_now}, not {wanted}: {cost}"
    return Finding("warn", what, "set it", _command(settings, topic, key, wanted))


def _command(settings: Settings, topic: str, key: str, wanted: str) -> str:
    words = ["kafka-configs.sh", "--bootstrap-server", settings.bus.bootstrap]
    if settings.bus.security:
        words += ["--command-config", "client.properties"]
    value = f"{key}=[{wanted}]" if "," in wanted else f"{key}={wanted}"
    words += ["--entity-type", "topics", "--entity-name", topic, "--alter", "--add-config", value]
    return shlex.join(words)


def _cost(key: str, is_now: str, wanted: str) -> str:
    if key == "max.compaction.lag.ms" or (key == "cleanup.policy" and wanted == "compact,delete"):
        return "dead letters that hold a forgotten user's id wait longer until they are gone"
    if key == "cleanup.policy":
        if "compact" in wanted and "compact" not in is_now:
            return "what is older than the retention is forgotten by a worker that starts without a snapshot"
        if "compact" in is_now:
            return (
                "only the last record of a key is kept: a worker that starts without a snapshot learns little"
            )
    if key.endswith("retention.ms"):
        return _cost_of_retention(key, _number(is_now), _number(wanted))
    if key == "message.timestamp.type":
        return (
            "the producer's clock is taken for the broker's: one that is wrong leads `trending`, and its events "
            "are not refused"
        )
    return "it was made for the other value"


def _cost_of_retention(key: str, is_now: int | None, wanted: int | None) -> str:
    is_shorter = is_now is not None and is_now >= 0 and (wanted is None or wanted < 0 or is_now < wanted)
    if key == "delete.retention.ms" and is_shorter:
        return "a worker that was away for longer never hears of a removal, and recommends the item again"
    if is_shorter:
        return "a worker that starts without a snapshot, and `why`, know only what is kept"
    return "more disk, and a longer start without a snapshot; else nothing"


def _cost_of_limit(settings: Settings, name: TopicName, limit: int) -> str:
    if name == "dead-letters":
        needed = settings.ingest.dead_letter_raw_bytes * 4 // 3 + _LETTER_OVERHEAD
        if needed > limit:
            return (
                f"dead letters of more than {limit:,} bytes are refused, and lost (they may have {needed:,})"
            )
    if TOPICS[name].codec is None:
        return f"a record of more than {limit:,} bytes is refused, and lost"
    return f"producers' records of more than {limit:,} bytes are refused"


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None

"""Whether a snapshot may be started from: by the engine's settings, and by the state of the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.skips import learned_before, noted
from stream_rec.bus.topics import cluster_id, log_id
from stream_rec.engine.state.identity import FITTED, Identity
from stream_rec.errors import UnusableSnapshot
from stream_rec.history.snapshots.header import Header, HeldLog, Position
from stream_rec.history.snapshots.order import LogKey
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.settings import BusSettings

MEASURE = "measure."
"""Beginning of the settings that give the join of impressions its form."""


@dataclass(frozen=True, slots=True)
class LogFacts:
    """One topic as it is now.

    Attributes:
        log_id: its incarnation.
        begins: the first offset that is still kept, by partition; of every partition.
        ends: the next offset to be written, by partition.
    """

    log_id: str
    begins: Mapping[int, int]
    ends: Mapping[int, int]

    def held(self, topic: str, position: Position) -> HeldLog:
        """As a snapshot with these positions keeps it."""
        mine = {partition: next_ for (name, partition), next_ in position.items() if name == topic}
        return HeldLog(self.log_id, len(self.begins), mine)


@dataclass(frozen=True, slots=True)
class Facts:
    """The log as it is now.

    Attributes:
        cluster_id: Kafka's.
        logs: by topic, without the tenant's prefix.
    """

    cluster_id: str
    logs: Mapping[str, LogFacts]

    @property
    def log(self) -> LogKey:
        """Which log it is, as `order.log_of` names that of a snapshot."""
        return self.cluster_id, tuple(sorted((topic, log.log_id) for topic, log in self.logs.items()))


def check_log(header: Header, facts: Facts) -> dict[TopicPartition, int]:
    """Is the log the one that the snapshot was learned from, and does it reach as far?

    Returns:
        How many records were deleted before they could be learned, by topic and partition; partitions without any are
        left out.

    Raises:
        UnusableSnapshot: foreign (another cluster, or a recreated topic), or positions beyond the end of the log.
    """
    if header.cluster_id != facts.cluster_id:
        raise _foreign(
            header.name, f"of cluster {header.cluster_id!r}, and this is cluster {facts.cluster_id!r}"
        )
    for topic, held in header.logs.items():
        log = facts.logs.get(topic)
        if log is None or held.log_id != log.log_id:
            raise _foreign(
                header.name, f"learned from another topic {topic}: it was deleted or recreated since"
            )
    gone = {}
    for tp, position in header.position.items():
        topic, partition = tp
        begin = facts.logs[topic].begins.get(partition)
        end = facts.logs[topic].ends.get(partition, 0)
        if begin is None or position > end:
            raise UnusableSnapshot(
                header.name,
                "beyond",
                f"it has learned {tp} up to {position}, and the log ends at {end}",
                fix="the log has lost records (an unclean leader election?): use an older snapshot, or none",
            )
        if position < begin:
            gone[tp] = begin - position
    return gone


def check_skips(header: Header, skip: tuple[str, ...]) -> None:
    """Has the state learned of records that are skipped now (`ingest.skip`)?

    Raises:
        UnusableSnapshot: it has.
    """
    if found := learned_before(skip, noted(header.notes), header.position):
        raise UnusableSnapshot(
            header.name,
            "incompatible",
            f"it has learned of records that are skipped: {', '.join(found)}",
            fix="an older one is taken, or the log is learned again without them",
        )


def ask_facts(bus: BusSettings) -> Facts:
    """What the broker says of the topics that are learned.

    Raises:
        ConfigError: a topic is missing.
        Unavailable: the broker did not answer.
    """
    bounds = OffsetReader(bus).bounds()
    found = {}
    for name in FOLLOWED:
        mine = {partition: both for (topic, partition), both in bounds.items() if topic == name}
        found[str(name)] = LogFacts(
            log_id(bus, name),
            {partition: begin for partition, (begin, _) in mine.items()},
            {partition: end for partition, (_, end) in mine.items()},
        )
    return Facts(cluster_id(bus), found)


def check_identity(header: Header, identity: Identity) -> Sequence[str]:
    """Whether an engine of this identity can take over the state, if it has room for it.

    A setting that the snapshot's release did not have yet forbids nothing: it came with arrays that are begun anew.

    Returns:
        Settings of the form that differ, and are allowed to.

    Raises:
        UnusableSnapshot: incompatible: names the settings and their values then and now.
    """
    then = header.identity.form
    differing = [key for key in differing_keys(then, identity.form) if key in then]
    if unfit := [key for key in differing if key not in FITTED and not key.startswith(MEASURE)]:
        then, now = ({key: form.get(key) for key in unfit} for form in (then, identity.form))
        raise UnusableSnapshot(
            header.name,
            "incompatible",
            "; ".join(differences(then, now)),
            fix="start with the settings it was made with, or without it: the log is then learned again",
        )
    return differing


def lost_without(known: Position | None, start: Position, facts: Facts) -> int:
    """Records that would never be learned: the log does not have them any more, and a snapshot had learned them.

    Impressions are not counted: nothing is recommended by them.

    Args:
        known: positions of that snapshot; None = it cannot be told.
        start: positions to go on from.
        facts: the log.
    """
    n = 0
    for topic in ("events", "items", "vectors"):
        for partition, begin in facts.logs[topic].begins.items() if topic in facts.logs else ():
            learned = begin if known is None else known.get(TopicPartition(topic, partition), 0)
            n += max(0, min(begin, learned) - start.get(TopicPartition(topic, partition), 0))
    return n


def differing_keys(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Keys whose values are not the same."""
    return [key for key in dict.fromkeys([*then, *now]) if then.get(key) != now.get(key)]


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is not the same, one line each."""
    return [f"{key} was {then.get(key)!r}, and is now {now.get(key)!r}" for key in differing_keys(then, now)]


def _foreign(name: str, detail: str) -> UnusableSnapshot:
    return UnusableSnapshot(
        name, "foreign", detail, fix="give each cluster and tenant a snapshot.url of its own"
    )

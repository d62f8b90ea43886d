"""Choosing what to rebuild an engine from: the newest snapshot before the goal, and a journal that goes on from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from stream_rec import logs
from stream_rec.bus.skips import learned_before, noted
from stream_rec.bus.stretches import Bounds, opened
from stream_rec.clock import Clock
from stream_rec.engine.engine import Engine
from stream_rec.errors import UnusableSnapshot
from stream_rec.history.journal.journal import STATE_NOTE
from stream_rec.history.journal.reader import Lineage, lineages
from stream_rec.history.snapshots.facts import Facts, ask_facts, check_log, differences
from stream_rec.history.snapshots.header import Header
from stream_rec.history.snapshots.store import SnapshotStore
from stream_rec.history.time_travel.merge import Goal, Rebuilding, UntilEvent, UntilTime
from stream_rec.rerank.rerankers import Rerankers
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.settings import BusSettings, Settings

LIVE_SECONDS = 5.0
"""A worker that had learned every partition up to this was live: its state is the answer, as it was."""


class _Beginning(NamedTuple):
    """A state to begin with.

    Attributes:
        header: of the snapshot that holds it; None = the empty engine.
        state: as a journal names it.
        positions: of it.
    """

    header: Header | None
    state: str
    positions: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """An engine of the past.

    Attributes:
        engine: as it was.
        snapshot: name of the one it began with; empty = none.
        session: journal session that was followed; empty = none.
        learned: records since then, by topic.
        merged: number of these that were ordered by their timestamps.
        drifted: falls of the served hit-rate, as the journal has them.
        last_ms: the broker's timestamp of the latest record learned since; 0 = none.
        skipped: records that were left out, as `ingest.skip` writes them: by the settings, the snapshot or the journal.
        doubts: reasons why it may differ from that worker's state; empty = it is the same, bit for bit.
    """

    engine: Engine
    snapshot: str
    session: str
    learned: Counter[str]
    merged: int
    drifted: int
    last_ms: int
    doubts: list[str]
    skipped: tuple[str, ...] = ()


def rebuild(settings: Settings, goal: Goal, at_ms: int) -> Rebuilt:
    """The engine at a goal.

    Begins with the newest snapshot from before it that a journal goes on from; without a journal, with the newest.

    Args:
        settings: of the time: the bus, the rules, the engine, where snapshots and the journal are.
        goal: where to stop.
        at_ms: when the worker was there, by its own clock: tells one run of a worker from another.

    Raises:
        ConfigError: a topic is missing, or the journal is of another log.
        Unavailable: Kafka or the snapshots' file system does not answer.
    """
    facts = ask_facts(settings.bus)
    log = logs.get("learn")
    for beginning, lineage in _choices(settings, goal, at_ms, facts):
        engine = Engine(settings.engine, settings.measure)
        if beginning.header is not None:
            try:
                SnapshotStore(settings.snapshot).load(beginning.header.name, engine)
            except UnusableSnapshot as error:
                log.warning(
                    "snapshot passed over", snapshot=error.name, why=error.reason, detail=error.detail
                )
                continue
        return _rebuilt(settings, goal, facts, beginning, lineage, engine)
    raise AssertionError("the empty engine is always a choice")


def present(settings: Settings, clock: Clock) -> Rebuilt:
    """The engine as it is now: all of the log, learned here from the newest snapshot on. Workers notice nothing.

    Raises:
        ConfigError, Unavailable: as `rebuild`.
    """
    now_ms = int(clock.now() * 1000)
    rebuilt = rebuild(settings, UntilTime(now_ms), now_ms)
    rebuilt.engine.reranking.use(Rerankers(settings.rerank, clock, waits=True))
    return rebuilt


def _rebuilt(
    settings: Settings,
    goal: Goal,
    facts: Facts,
    beginning: _Beginning,
    lineage: Lineage | None,
    engine: Engine,
) -> Rebuilt:
    bounds = _bounds(facts)
    stretches = {
        tp: (max(begin, min(engine.position.get(tp, begin), end)), end) for tp, (begin, end) in bounds.items()
    }
    with opened(settings.bus, stretches) as log:
        work = Rebuilding(engine, settings.ingest, log, bounds, goal)
        if beginning.header is not None:
            work.skip(noted(beginning.header.notes))
        reached = lineage is not None and work.follow(lineage.entries())
        was_late = reached and isinstance(goal, UntilTime) and work.is_behind(LIVE_SECONDS)
        if not reached or was_late:
            work.merge()
    return Rebuilt(
        engine=engine,
        snapshot=beginning.header.name if beginning.header else "",
        session=lineage.session if lineage else "",
        learned=work.learned,
        merged=work.merged,
        drifted=work.drifted,
        last_ms=work.last_ms,
        skipped=work.rules.skip,
        doubts=list(_doubts(work, beginning, lineage, reached)),
    )


def _doubts(work: Rebuilding, beginning: _Beginning, lineage: Lineage | None, reached: bool) -> Iterator[str]:
    if lineage is None:
        begin = f"snapshot {beginning.header.name}" if beginning.header else "the beginning of the log"
        yield f"no journal goes on from {begin}: {work.merged:,} records were merged by the broker's timestamps"
    elif reached and work.merged:
        yield (
            "the worker was catching up at that time: "
            f"{work.merged:,} records that it had not learned yet were merged by the broker's timestamps"
        )
    elif work.merged:
        yield f"the journal ends before: the last {work.merged:,} records were merged by the broker's timestamps"
    elif not reached and lineage.is_torn:
        yield "the journal's end is torn: a drift mark may be missing"
    for (topic, partition), n in sorted(work.gone.items()):
        yield f"{n:,} records of {topic}/{partition} are no longer in the log"
    if beginning.header is not None:
        known = noted(beginning.header.notes)
        for text in learned_before(work.rules.skip, known, beginning.header.position):
            yield f"snapshot {beginning.header.name} has learned of {text}, which is skipped now"
        then, now = beginning.header.identity, work.engine.identity
        for differing in differences(
            {**then.form, **then.learning, **then.made_on}, {**now.form, **now.learning, **now.made_on}
        ):
            yield f"not as it was learned then: {differing}"


def _choices(
    settings: Settings, goal: Goal, at_ms: int, facts: Facts
) -> Iterator[tuple[_Beginning, Lineage | None]]:
    """What to begin with, best first: all with a journal, then all others; newest first."""
    without: list[tuple[_Beginning, Lineage | None]] = []
    for beginning in _beginnings(settings, facts):
        if lineage := _lineage(settings, beginning, goal, at_ms, facts):
            yield beginning, lineage
        if _is_before(settings.bus, beginning, goal, facts):
            without.append((beginning, None))
    yield from without


def _beginnings(settings: Settings, facts: Facts) -> Iterator[_Beginning]:
    if settings.snapshot.url:
        store = SnapshotStore(settings.snapshot)
        for info in store.list():
            try:
                header = store.header(info.name)
                check_log(header, facts)
            except UnusableSnapshot as error:
                logs.get("learn").warning("snapshot passed over", snapshot=info.name, detail=error.detail)
                continue
            yield _Beginning(header, str(info.notes.get(STATE_NOTE, info.name)), info.positions)
    yield _Beginning(None, "", {})


def _lineage(
    settings: Settings, beginning: _Beginning, goal: Goal, at_ms: int, facts: Facts
) -> Lineage | None:
    """What was learned after that state, by the worker that was there at the time."""
    if not settings.journal.folder:
        return None
    if not isinstance(goal, UntilEvent) and not _is_before(settings.bus, beginning, goal, facts):
        return None
    ids = {topic: log.log_id for topic, log in facts.logs.items()}
    found = lineages(Path(settings.journal.folder), beginning.state, beginning.positions, ids)
    if isinstance(goal, UntilEvent):
        found = [each for each in found if each.reaches("events", goal.partition, goal.offset)]
    begun = [each for each in found if each.started_ms <= at_ms]
    return begun[-1] if begun else next(iter(found), None)


def _is_before(bus: BusSettings, beginning: _Beginning, goal: Goal, facts: Facts) -> bool:
    """Is the last record that each partition has learned from before the goal's time?"""
    bounds = _bounds(facts)
    last = {
        tp: (position - 1, position)
        for tp, (begin, _) in bounds.items()
        if (position := beginning.positions.get(tp, 0)) > begin
    }
    if goal.is_reached(beginning.positions):
        return False
    with opened(bus, last) as log:
        heads = [log.head(tp) for tp in last]
    return all(head is None or head[0] <= goal.ms for head in heads)


def _bounds(facts: Facts) -> Bounds:
    return {
        TopicPartition(name, partition): (begin, facts.logs[name].ends[partition])
        for name in FOLLOWED
        for partition, begin in facts.logs[name].begins.items()
    }

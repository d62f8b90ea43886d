"""The scene of chaos: servers, workers, traffic and witnesses, and how it is told that all is well again."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from stream_rec.bench.chaos.disk import Disk
from stream_rec.bench.chaos.member import Member
from stream_rec.bench.chaos.recount import Recount
from stream_rec.bench.chaos.redis_pair import RedisPair
from stream_rec.bench.chaos.shown_watch import ShownWatch
from stream_rec.bench.chaos.slate_watch import Mark, SlateWatch
from stream_rec.bench.chaos.steering import NEVER, SCENARIOS
from stream_rec.bench.chaos.tally import Testimony
from stream_rec.bench.chaos.traffic import USERS, Traffic
from stream_rec.bench.chaos.verdict import Verdict, compare
from stream_rec.bench.chaos.witnessed import NO_MUTATION
from stream_rec.bench.harness import Say
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import Clock, SystemClock
from stream_rec.embedded.stack import Broker, Stack, start_stack, without_addresses
from stream_rec.embedded.worker import READY_SECONDS
from stream_rec.errors import StreamRecError, Unavailable
from stream_rec.history.snapshots.store import SnapshotStore
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.settings import JournalSettings, Settings, SnapshotSettings
from stream_rec.settings.event_types import EventTypeSettings, built_in_table

RECOVERY_SECONDS = 120.0
"""After a fault, all must be well again by then."""
SETTLE_SECONDS = 60.0
"""When nothing is published any more, everybody must know everything by then."""
FROM_SNAPSHOT = 2 / 3
"""Share of workers that start from a snapshot; the others learn the log from its beginning, ..."""
SHORT_LOG = 50_000
"""... as long as it is shorter than this: later that takes too long."""
_POLL_SECONDS = 0.1
_ENGINE = {
    "max_users": 4096,
    "max_items": 1024,
    "event_types": built_in_table() | {NEVER: EventTypeSettings(meaning="never")},
}
"""Bounds of the engines: above the traffic's numbers, so that nobody is evicted, whose history would be forgotten."""
_SNAPSHOTS = {"every_events": 500, "min_seconds": 10.0}
_JOURNAL_BYTES = 8 << 20


class NotWell(StreamRecError):
    """The deadline passed, and all is not well; says what is not."""


@dataclass
class Found:
    """What the witnesses have found.

    Attributes:
        violations: in words, each with its place.
        lost, doubled, miscounted: events, and outcomes of an experiment's arms, summed over replicas.
        forbidden: items that were shown and must not be.
        not_forgotten: places where somebody was who is forgotten.
        differing: settled moments at which replicas had different digests.
        exits: workers that ended by themselves, in words. They are started again, as an operator's system would.
    """

    violations: list[str] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0
    forbidden: int = 0
    miscounted: int = 0
    not_forgotten: int = 0
    differing: int = 0
    exits: list[str] = field(default_factory=list)

    @property
    def is_nothing(self) -> bool:
        """Is there nothing to look into?"""
        return not self.violations and not self.exits


@dataclass(frozen=True, slots=True)
class Stage:
    """Where it happens.

    Attributes:
        stack: the servers.
        redis: behind the stack's address.
        disk, folder: for snapshots and journals; for sockets and logs.
    """

    stack: Stack
    redis: RedisPair
    disk: Disk
    folder: Path


@dataclass(frozen=True, slots=True)
class Course:
    """How it goes.

    Attributes:
        seed: of everything that is random.
        rate: events per second.
        mutation: of the workers' engines, or `none`.
    """

    seed: int
    rate: float
    mutation: str


class Scene:
    """Servers, workers, traffic and witnesses.

    Args:
        stage: servers and folders.
        course: seed, rate and mutation.
        say: takes progress.

    Attributes:
        trimmed: first offsets of `events` that were not deleted, by partition; empty = nothing was.
    """

    def __init__(self, stage: Stage, course: Course, say: Say) -> None:
        self.stack, self.redis = stage.stack, stage.redis
        self.disk, self.folder = stage.disk, stage.folder
        self.trimmed: dict[int, int] = {}
        self.rng = random.Random(course.seed)
        self.clock: Clock = SystemClock()
        self.say = say
        self.found = Found()
        self.members: list[Member] = []
        self._engine = self.stack.settings.engine
        self._mutation = course.mutation
        self._n_started = 0
        bus = self.stack.settings.bus
        counts = ensure_topics(bus)
        self._all = {f"{name}/{p}" for name in FOLLOWED for p in range(counts[name])}
        self._n_partitions = counts["events"]
        self.traffic = Traffic(bus, course.rate, course.seed, self.clock)
        self.recount = Recount(bus, counts["events"], counts["impressions"])
        self.watch = SlateWatch(self.stack.settings.store, USERS, self.clock)
        self.traffic.on_ack = self.watch.sent
        self.shown = ShownWatch(self.stack.settings.store, USERS, course.seed)
        self._n_noted = 0
        self._n_forbidden = 0

    # ---- workers ----

    def start_worker(self, *, from_snapshot: bool = False) -> Member:
        """One more, from the newest snapshot or from the log's beginning, as far as that is still there."""
        anew = self.rng.random() >= FROM_SNAPSHOT and self.traffic.n < SHORT_LOG and not self.trimmed
        settings = self.settings if from_snapshot or not anew else _without_snapshots(self.settings)
        member = self.make_worker(settings)
        self.members.append(member)
        return member

    def make_worker(self, settings: Settings) -> Member:
        """A worker that is nobody's member yet."""
        self._n_started += 1
        return Member(f"worker-{self._n_started}", settings, self._mutation, self.folder)

    @property
    def settings(self) -> Settings:
        """Of workers that are started now."""
        return self.stack.settings.model_copy(
            update={
                "engine": self._engine,
                "snapshot": SnapshotSettings(url=str(self.disk.folder / "snapshots"), **_SNAPSHOTS),
                "journal": JournalSettings(
                    folder=str(self.disk.folder / "journal"), max_bytes=_JOURNAL_BYTES
                ),
            }
        )

    @property
    def snapshots(self) -> SnapshotStore:
        """What workers start from."""
        return SnapshotStore(self.settings.snapshot)

    def raise_bounds(self, users: int, items: int) -> None:
        """Workers that are started from now on have room for so many more."""
        now = self._engine
        larger = {"max_users": now.max_users + users, "max_items": now.max_items + items}
        self._engine = now.model_copy(update=larger)

    def kill_all(self) -> None:
        """The end."""
        for member in self.members:
            member.kill()

    # ---- being well ----

    def pause(self, at_least: float, at_most: float) -> None:
        """Let some time pass, by the seed."""
        time.sleep(self.rng.uniform(at_least, at_most))

    def wait(self, reason: Callable[[], str], seconds: float) -> None:
        """Until there is no reason any more why all is not well.

        Raises:
            NotWell: the last reason.
        """
        deadline = self.clock.monotonic() + seconds
        while why := reason():
            if self.clock.monotonic() > deadline:
                raise NotWell(f"not well after {seconds:g} s: {why}")
            self.traffic.check()
            time.sleep(_POLL_SECONDS)

    def recover(self, seconds: float = RECOVERY_SECONDS) -> None:
        """Until the workers own everything, each its part, and every partition has slates of new events.

        Raises:
            NotWell: they do not.
        """
        self.wait(self._why_not_split, seconds)
        mark = self.watch.mark(range(self._n_partitions), self.clock.monotonic())
        self.wait(lambda: self._why_not_split() or why_not_fresh(mark), seconds)

    def settle(self, where: str) -> None:
        """Stop the traffic, wait until everybody knows everything, and note what is not as it was published.

        Args:
            where: begins each violation.
        """
        self.traffic.pause()
        ends = dict(self.traffic.ends), dict(self.traffic.shown_ends)
        self.wait(lambda: "" if self.recount.has_reached(*ends) else "the log is being read", SETTLE_SECONDS)
        log, last = self.recount.shown()
        log = msgspec.structs.replace(log, decided=self.traffic.steering.decided(self._engine))
        try:
            self.wait(lambda: self._why_not_settled(log, last), SETTLE_SECONDS)
        except NotWell:
            self.found.violations += [
                f"{where}: slate of {user}: {slate} is not of the last event {last[user]}"
                for user, slate in self.watch.behind(last).items()
            ]
        for name, verdict in self._verdicts(log).items():
            self.found.lost += verdict.lost
            self.found.doubled += verdict.doubled
            self.found.miscounted += verdict.miscounted
            self.found.violations += [f"{where}: {name}: {wrong}" for wrong in verdict.wrong]
        self._note_digests(where)
        self._note_traces(where)
        self._note_forbidden(where)
        self._note_slates(where)
        self.traffic.resume()

    def _why_not_settled(self, log: Testimony, last: Mapping[str, tuple[int, int]]) -> str:
        verdicts = self._verdicts(log)
        if any(verdict.doubled for verdict in verdicts.values()):
            return ""  # that does not pass
        wrong = [f"{name}: {verdict.wrong[0]}" for name, verdict in verdicts.items() if verdict.wrong]
        behind = self.watch.behind(last)
        return "; ".join([*wrong, *([f"{len(behind)} slates are behind"] if behind else [])])

    def _note_digests(self, where: str) -> None:
        digests = {name: found.digest() for name, found in self._testimonies().items() if found is not None}
        if len(set(digests.values())) > 1:
            self.found.differing += 1
            self.found.violations.append(f"{where}: replicas differ: {digests}")

    def _note_traces(self, where: str) -> None:
        """Of those who were forgotten nothing may be left, once all had time."""
        found = self._until_none(self._traces)
        self.found.not_forgotten += len(found)
        self.found.violations += [f"{where}: {each}" for each in found]

    def _traces(self) -> list[str]:
        erased = set(self.traffic.steering.erased)
        known = {name: found.guests for name, found in self._testimonies().items() if found is not None}
        in_engines = [
            f"{name} still holds {user}" for name, users in known.items() for user in users if user in erased
        ]
        return in_engines + [f"redis still holds {key}" for key in self.shown.keys_of(erased)]

    def _note_forbidden(self, where: str) -> None:
        """On no path may anybody see what was hidden, filtered, or what that user never wants to see."""
        found = self._until_none(lambda: self.shown.look(self.traffic.steering, SCENARIOS))
        new = self.shown.violations[self._n_forbidden :]
        self._n_forbidden += len(new)
        self.found.forbidden += len(found) + len(new)
        self.found.violations += [f"{where}: {each}" for each in (*found, *new)]

    def _until_none(self, look: Callable[[], list[str]]) -> list[str]:
        """What is still found when all had time to put it right.

        Raises:
            NotWell: nobody could look.
        """
        found: list[str] = []

        def why_not() -> str:
            found.clear()
            try:
                found.extend(look())
            except Unavailable as error:
                return str(error)
            return found[0] if found else ""

        try:
            self.wait(why_not, SETTLE_SECONDS)
        except NotWell:
            if not found:  # nobody has looked
                raise
        return found

    def _note_slates(self, where: str) -> None:
        new = self.watch.violations[self._n_noted :]
        self._n_noted += len(new)
        self.found.violations += [f"{where}: {violation}" for violation in new]

    def _testimonies(self) -> dict[str, Testimony | None]:
        return {member.name: member.testimony() for member in self.members}

    def _verdicts(self, log: Testimony) -> dict[str, Verdict]:
        verdicts = {}
        for name, testimony in self._testimonies().items():
            if testimony is None:
                verdicts[name] = Verdict(0, 0, 0, ("it does not answer",))
            else:
                verdicts[name] = compare(testimony, log)
        return verdicts

    def _why_not_split(self) -> str:
        self._look_after()
        parts = [member.owned() for member in self.members]
        if set().union(*parts) != self._all:
            return f"nobody serves {', '.join(sorted(self._all - set().union(*parts)))}"
        if sum(map(len, parts)) != len(self._all):
            return "some partitions are served twice"
        silent = [member.name for member in self.members if not member.serves()]
        return f"{', '.join(silent)} serves nothing yet" if silent else ""

    def _look_after(self) -> None:
        """Start again what ended by itself."""
        for member in [member for member in self.members if member.exit_code is not None]:
            self.found.exits.append(f"{member.name} ended with {member.exit_code}; log {member.log_path}")
            self.say(f"  {self.found.exits[-1]}")
            self.members.remove(member)
            self.start_worker()


def _without_snapshots(settings: Settings) -> Settings:
    return settings.model_copy(update={"snapshot": SnapshotSettings(url="", **_SNAPSHOTS)})


def why_not_fresh(mark: Mark) -> str:
    """Partitions that have no slate of a new event yet."""
    return f"no slate of new events of partitions {mark.late}" if mark.late else ""


@contextmanager
def open_scene(
    settings: Settings,
    *,
    broker: Broker,
    workers: int,
    course: Course,
    say: Say,
) -> Iterator[Scene]:
    """Servers of its own, so many workers that serve, and traffic. The logs stay if anything was found."""
    folder = Path(tempfile.mkdtemp(prefix="stream-rec-chaos-"))
    engine = settings.engine.model_copy(update=_ENGINE)
    private = without_addresses(settings).model_copy(update={"engine": engine})
    scene = None
    try:
        with ExitStack() as ending:
            stack = ending.enter_context(start_stack(private, broker=broker, log_dir=folder))
            assert stack.redis is not None
            redis = ending.enter_context(RedisPair(stack.redis, folder))
            store = stack.settings.store.model_copy(update={"url": redis.url})
            stack = replace(stack, settings=stack.settings.model_copy(update={"store": store}))
            disk = ending.enter_context(Disk(folder / "disk"))
            scene = Scene(Stage(stack, redis, disk, folder), course, say)
            for _ in range(workers):
                scene.start_worker()
            ending.callback(scene.kill_all)
            for thread in (scene.traffic, scene.recount, scene.watch):
                thread.start()
                ending.callback(thread.end)
            scene.traffic.resume()
            scene.recover(READY_SECONDS)
            scene.shown.start()
            ending.callback(scene.shown.end)
            yield scene
    finally:
        if course.mutation != NO_MUTATION or (scene is not None and scene.found.is_nothing):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"logs are kept in {folder}")

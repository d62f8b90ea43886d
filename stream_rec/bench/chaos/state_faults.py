"""Faults of what is kept and of what is around: disk, snapshots, settings, clocks, the log itself, another tenant."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from stream_rec.bench.chaos.process_faults import Times, busy, wait_fresh
from stream_rec.bench.chaos.recount import Recount
from stream_rec.bench.chaos.scene import RECOVERY_SECONDS, SETTLE_SECONDS, Scene
from stream_rec.bench.chaos.traffic import Traffic
from stream_rec.bench.chaos.verdict import compare
from stream_rec.bus.clients import admin, producer_config
from stream_rec.bus.naming import on_bus
from stream_rec.bus.topics import ensure_topics
from stream_rec.history.snapshots.store import SnapshotInfo
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.topics import full_name
from stream_rec.settings import Settings

_ADMIN_SECONDS = 20.0
_SMALL_LETTER = 300
"""Bytes of a record that `dead-letters` takes while it refuses."""
_SNAPSHOT_SECONDS = 60.0
_TENANT_SECONDS = 4.0
_DELETED = "records were deleted before they were learned"


def disk_full(scene: Scene, _: Times) -> None:
    """No space for snapshots and journals; a worker is started meanwhile. Then there is space again."""
    with scene.disk.full():
        victim = busy(scene)
        victim.kill()
        scene.members.remove(victim)
        scene.start_worker(from_snapshot=True)
        scene.recover()
        scene.pause(2, 6)


def snapshot_corrupted(scene: Scene, _: Times) -> None:
    """A byte of the newest snapshot is another one; whoever starts takes an older one, or the log."""
    files = _files_of_newest(scene)
    if files:
        file = scene.rng.choice(files)
        raw = bytearray(file.read_bytes())
        raw[scene.rng.randrange(len(raw))] ^= 1 << scene.rng.randrange(8)
        file.write_bytes(raw)
    victim = busy(scene)
    victim.kill()
    scene.members.remove(victim)
    scene.start_worker(from_snapshot=True)


def bounds_raised(scene: Scene, _: Times) -> None:
    """A worker is stopped and comes back with larger bounds; what was learned comes with it."""
    scene.raise_bounds(users=256, items=64)
    victim = scene.rng.choice(scene.members)
    victim.kill()
    scene.members.remove(victim)
    scene.start_worker(from_snapshot=True)


def clock_jump(scene: Scene, _: Times) -> None:
    """A worker's wall clock is set forward or back, and later right again."""
    victim = scene.rng.choice(scene.members)
    victim.jump(scene.rng.choice((-86_400.0, -3_600.0, 3_600.0, 86_400.0, 366 * 86_400.0)))
    busy(scene)
    scene.pause(3, 8)
    victim.jump(0.0)


def dead_letter_refused(scene: Scene, _: Times) -> None:
    """A message that cannot be read comes while `dead-letters` takes no record of its size."""
    bus = scene.stack.settings.bus
    letters = full_name(bus.prefix, "dead-letters")
    _limit(scene, letters, _SMALL_LETTER)
    producer = Producer(producer_config(bus))
    for n in range(3):
        producer.produce(full_name(bus.prefix, "events"), b"no event " + bytes(_SMALL_LETTER), f"nobody-{n}")
    producer.flush(_ADMIN_SECONDS)
    scene.pause(2, 4)
    _limit(scene, letters, None)


def second_tenant(scene: Scene, _: Times) -> None:
    """Another tenant comes to the same broker, Redis and snapshots, with a worker of its own, and leaves again."""
    settings = _tenant(scene)
    counts = ensure_topics(settings.bus)
    before = {info.name for info in scene.snapshots.list()[-1:]}
    traffic = Traffic(settings.bus, 100.0, scene.rng.randrange(1 << 30), scene.clock)
    recount = Recount(settings.bus, counts["events"], counts["impressions"])
    worker = scene.make_worker(settings)
    for thread in (traffic, recount):
        thread.start()
    try:
        traffic.resume()
        time.sleep(_TENANT_SECONDS)
        traffic.pause()
        ends = dict(traffic.ends), dict(traffic.shown_ends)
        scene.wait(
            lambda: "" if recount.has_reached(*ends) else "the tenant's log is being read", SETTLE_SECONDS
        )

        def why_not() -> str:
            found = worker.testimony()
            wrong = compare(found, recount.shown()[0]).wrong if found is not None else ("no answer",)
            return f"the second tenant: {wrong[0]}" if wrong else ""

        scene.wait(why_not, RECOVERY_SECONDS)
    finally:
        worker.kill()
        for thread in (traffic, recount):
            thread.end()
    gone = before - {info.name for info in scene.snapshots.list()}
    if gone and not _goes_on(scene):
        scene.found.violations.append(f"a second tenant's worker: {', '.join(gone)} and all others are gone")


def trimmed_while_restoring(scene: Scene, _: Times) -> None:
    """The log is deleted up to the newest snapshot while a worker starts from it."""
    positions = _newest_positions(scene)
    victim = busy(scene)
    victim.kill()
    scene.members.remove(victim)
    scene.start_worker(from_snapshot=True)
    _trim(scene, positions)


def expired_under_follower(scene: Scene, _: Times) -> None:
    """What a paused worker has not learned yet is deleted: it must say so. It is no replica any more then, and goes."""
    victim = busy(scene)
    victim.pause()
    mark = scene.watch.mark(victim.partitions(), scene.clock.monotonic())
    wait_fresh(scene, mark)
    ends = dict(scene.traffic.ends)

    def is_behind() -> str:
        kept = _newest_positions(scene)
        return "" if all(kept.get(p, 0) > end for p, end in ends.items()) else "no snapshot since the pause"

    scene.wait(is_behind, _SNAPSHOT_SECONDS)
    _trim(scene, _newest_positions(scene))
    victim.go_on()
    try:
        scene.wait(
            lambda: (
                ""
                if victim.says(_DELETED) or victim.exit_code is not None
                else "it does not say what is gone"
            ),
            RECOVERY_SECONDS,
        )
    finally:
        victim.kill()
        scene.members.remove(victim)
    scene.start_worker(from_snapshot=True)


def _tenant(scene: Scene) -> Settings:
    ours = scene.settings
    return ours.model_copy(
        update={
            "bus": ours.bus.model_copy(update={"prefix": "second-", "group": "second"}),
            "store": ours.store.model_copy(update={"prefix": "second-"}),
        }
    )


def _goes_on(scene: Scene) -> list[SnapshotInfo]:
    """Snapshots that are good, and that the log still goes on from; the one that knows most comes last."""
    good = [
        info
        for info in scene.snapshots.list()
        if not info.problem
        and all(
            info.positions.get(TopicPartition("events", p), 0) >= start for p, start in scene.trimmed.items()
        )
    ]
    return sorted(good, key=lambda info: info.n_events)


def _files_of_newest(scene: Scene) -> list[Path]:
    """The files of the snapshot that knows most; none if there would be nothing to start from without it."""
    usable = _goes_on(scene)
    if len(usable) < 2:
        return []
    folder = scene.disk.folder / "snapshots"
    return [path for path in folder.iterdir() if path.name.startswith(usable[-1].name)]


def _newest_positions(scene: Scene) -> dict[int, int]:
    """Next offsets to learn of `events`, by partition, in the snapshot that knows most; empty without any."""
    usable = _goes_on(scene)
    if not usable:
        return {}
    return {p: offset for (topic, p), offset in usable[-1].positions.items() if topic == "events"}


def _trim(scene: Scene, before: Mapping[int, int]) -> None:
    """Delete the records of `events` before these offsets."""
    bus = scene.stack.settings.bus
    asked = [on_bus(bus.prefix, TopicPartition("events", p), offset) for p, offset in before.items()]
    if not asked:
        return
    scene.trimmed.update(before)
    client = admin(bus)  # kept: the answers never come to a client that was collected
    for future in client.delete_records(asked, request_timeout=_ADMIN_SECONDS).values():
        future.result()


def _limit(scene: Scene, topic: str, max_bytes: int | None) -> None:
    """Set `max.message.bytes` of a topic; None = as it was made."""
    entry = ConfigEntry(
        "max.message.bytes",
        str(max_bytes or 0),
        incremental_operation=AlterConfigOpType.SET if max_bytes else AlterConfigOpType.DELETE,
    )
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = admin(scene.stack.settings.bus)  # kept, as in `_trim`
    for future in client.incremental_alter_configs([resource], request_timeout=_ADMIN_SECONDS).values():
        future.result()

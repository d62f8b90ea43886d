"""`stream-rec bench steer`: how soon a decision is felt under traffic, and whether anything forbidden is ever shown.

A stack of its own, with a worker that has learned `PRELOAD_EVENTS` and their catalogue, takes events at a steady rate.
Meanwhile, again and again and one at a time, each timed from the broker's acknowledgement, as a reader sees it:

- a scenario changes: until the first slate under it (`rule_s`);
- an item that is shown is hidden: until no path shows it to anybody who was shown it (`hide_s`);
- an item comes: until it is in somebody's slate (`new_item_s`);
- a user is forgotten: until every worker's receipt is there (`forget_s`, from the call on).

Then `stream_rec.bench.forbidden` tries rule sets.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import NamedTuple

import msgspec

from stream_rec.bench import forbidden
from stream_rec.bench.bench_log import BenchLog
from stream_rec.bench.freshness import wait_until_handled
from stream_rec.bench.harness import Figures, Say, calibration_ms
from stream_rec.bench.rules import catalogue
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.embedded.worker import WorkerProcess
from stream_rec.producers.feed.feed import Feed, Row
from stream_rec.producers.feed.pace import PerSecond
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.decisions import SCENARIO
from stream_rec.schemas.records import Control, Interaction, Item, Slate
from stream_rec.schemas.scenario import Boost, Cap, Scenario
from stream_rec.schemas.topics import Ack
from stream_rec.serve.client import Client
from stream_rec.serve.forget import Forgetter
from stream_rec.serve.freshness_probe import percentile
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader

PRELOAD_EVENTS = 20_000
SETTLE_SECONDS = 5.0
GIVE_UP_SECONDS = 30.0
WATCHED_USERS = 64
_LOOK_SECONDS = 0.005
_STEERED, _LATEST = "steered", "latest"


class Timed(NamedTuple):
    """How long each of the things that were tried took, in seconds; GIVE_UP_SECONDS = it did not come."""

    rule: list[float]
    hide: list[float]
    new_item: list[float]
    forget: list[float]


def run(settings: Settings, say: Say, *, rate: float, rounds: int, sets: int, seed: int) -> Figures:
    """Time decisions, then look for what is forbidden.

    Args:
        settings: as for a worker; addresses in it are not used.
        say: takes progress.
        rate: events per second meanwhile.
        rounds: how often each thing is timed.
        sets: random rule sets.
        seed: of these.
    """
    settings = without_addresses(settings)
    timed = _timed(settings, say, rate, rounds) if rounds else Timed([], [], [], [])
    return {
        "rule_s_p99": percentile(timed.rule, 0.99),
        "hide_s_p99": percentile(timed.hide, 0.99),
        "new_item_s_p50": percentile(timed.new_item, 0.5),
        "forget_s_p99": percentile(timed.forget, 0.99),
        "rule_s_p50": percentile(timed.rule, 0.5),
        "hide_s_p50": percentile(timed.hide, 0.5),
        "forget_s_p50": percentile(timed.forget, 0.5),
        "rounds": rounds,
        "rate": rate,
        **(forbidden.run(settings, say, sets=sets, seed=seed) if sets else {}),
        "calibration_ms": calibration_ms(),
    }


def _timed(settings: Settings, say: Say, rate: float, rounds: int) -> Timed:
    log = BenchLog.first(PRELOAD_EVENTS + int(rate * 60), settings.data)
    rows = log.rows()
    ids = list(dict.fromkeys(row.event.item_id for row in rows if row.event))
    say(f"events: {log.name}, {rate:g}/s; {len(ids):,} items")
    with start_stack(settings) as stack:
        ensure_topics(stack.settings.bus)
        worker = WorkerProcess(stack.settings)
        try:
            with Publisher(stack.settings.bus, stack.settings.ingest) as publisher:
                publisher.publish_all(change.item for change in catalogue(ids, 1).changes if change.item)
                publisher.publish_all(_scenarios())
                Feed(publisher).run(rows[:PRELOAD_EVENTS])
            wait_until_handled(worker, stack.settings)
            with _traffic(stack.settings, rows[PRELOAD_EVENTS:], rate) as recent:
                time.sleep(SETTLE_SECONDS)
                return _Rounds(stack.settings, recent).run(rounds, say)
        finally:
            worker.stop()


def _scenarios() -> list[Control]:
    wanted = {
        _STEERED: Scenario(filter="price < 90.0", caps=(Cap("owner", 3, 10),)),
        _LATEST: Scenario(logic="new", k=20),
    }
    return [_control(name, scenario) for name, scenario in wanted.items()]


def _control(name: str, scenario: Scenario) -> Control:
    return Control(SCENARIO, name, SystemClock().now(), msgspec.to_builtins(scenario))


@contextmanager
def _traffic(settings: Settings, rows: list[Row], rate: float) -> Iterator[deque[str]]:
    """Events at a steady rate, in a thread of its own, round and round, stamped as they come; who acted last."""
    stop = threading.Event()
    recent: deque[str] = deque(maxlen=WATCHED_USERS)

    def acked(event: Interaction, _: Ack) -> None:
        recent.append(event.user_id)

    def feed() -> None:
        with Publisher(settings.bus, settings.ingest) as publisher:
            feed = Feed(publisher, pace=PerSecond(rate), stop=stop.is_set, on_ack=acked)
            feed.run(_now(cycle(rows)))

    thread = threading.Thread(target=feed, name="traffic", daemon=True)
    thread.start()
    try:
        yield recent
    finally:
        stop.set()
        thread.join()


def _now(rows: Iterable[Row]) -> Iterator[Row]:
    clock = SystemClock()
    for row in rows:
        if row.event is not None:
            event = msgspec.structs.replace(row.event, ts=clock.now(), event_id=None)
            yield Row(row.position, event, row.fraction)


class _Rounds:
    """Decisions, one after the other, as readers see them."""

    def __init__(self, settings: Settings, recent: deque[str]) -> None:
        self._settings = settings
        self._recent = recent
        self._clock = SystemClock()

    def run(self, rounds: int, say: Say) -> Timed:
        """Each thing so often."""
        timed = Timed([], [], [], [])
        reader = Reader(self._settings.store)
        try:
            with (
                Publisher(self._settings.bus, self._settings.ingest) as publisher,
                Client(self._settings.store) as client,
            ):
                for number in range(rounds):
                    timed.rule.append(self._rule(publisher, reader, number))
                    timed.hide.append(self._hide(publisher, client, reader))
                    timed.new_item.append(self._new_item(publisher, reader, number))
                    timed.forget.append(self._forget(reader))
                    last = ", ".join(f"{name} {values[-1]:.2f} s" for name, values in timed._asdict().items())
                    say(f"round {number + 1} of {rounds}: {last}")
        finally:
            reader.close()
        return timed

    def _rule(self, publisher: Publisher, reader: Reader, number: int) -> float:
        factor = 1.5 + number % 7
        ack = publisher.publish(
            _control(
                _STEERED,
                Scenario(filter=f"price < {60 + number % 30}.0", boosts=(Boost("price > 50.0", factor),)),
            )
        )
        return self._until(
            lambda: any(slate.as_of.rules >= ack.offset for slate in self._slates(reader, _STEERED))
        )

    def _hide(self, publisher: Publisher, client: Client, reader: Reader) -> float:
        item = client.popular(k=5)[-1].item_id
        holders = [
            slate.user_id
            for slate in self._slates(reader, "default")
            if item in {place.item_id for place in slate.items}
        ]
        publisher.publish(Item(item, hidden=True))
        seconds = self._until(lambda: not _is_shown(client, item, holders))
        publisher.publish(Item(item, price=50.0, owner="owner1"))
        return seconds

    def _new_item(self, publisher: Publisher, reader: Reader, number: int) -> float:
        item = f"new item {number} {self._clock.now()}"
        publisher.publish(Item(item, ts=self._clock.now(), price=10.0, owner="owner1", tags=("tag1",)))
        return self._until(
            lambda: any(
                item in {place.item_id for place in slate.items} for slate in self._slates(reader, _LATEST)
            )
        )

    def _forget(self, reader: Reader) -> float:
        began = time.monotonic()
        receipt = Forgetter(self._settings, reader).forget(self._recent[0], wait_seconds=GIVE_UP_SECONDS)
        return time.monotonic() - began if receipt.is_whole else GIVE_UP_SECONDS

    def _slates(self, reader: Reader, scenario: str) -> Iterator[Slate]:
        """Of those who acted last, in one round trip: one for each would be a load of its own."""
        return (slate for slate in reader.slates(list(self._recent), scenario) if slate)

    def _until(self, is_there: Callable[[], bool]) -> float:
        began = time.monotonic()
        while not is_there():
            if time.monotonic() - began > GIVE_UP_SECONDS:
                return GIVE_UP_SECONDS
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - began


def _is_shown(client: Client, item: str, users: list[str]) -> bool:
    lists = [
        client.popular(k=200),
        client.trending(k=200),
        client.new(k=200),
        client.popular(k=200, tag="tag1"),
    ]
    lists += [client.recommendations(user, k=200).items for user in users]
    lists += [client.recommendations("stranger", _STEERED, k=200).items]
    return any(place.item_id == item for places in lists for place in places)

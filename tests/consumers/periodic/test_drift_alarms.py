"""Changes become records of `control`: once, by whoever found them, and are taken back by the owner of the topic."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np

from stream_rec.clock import ManualClock
from stream_rec.consumers.periodic.drift_alarms import ATTEMPTS, DriftAlarms
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.feedback.watches import Change
from stream_rec.schemas.alarm import Alarm
from stream_rec.schemas.columns import Span
from stream_rec.schemas.decisions import decode_control
from stream_rec.settings import AlarmSettings, IngestSettings
from tests.consumers.parts import STAMP_MS, TINY, Outbox, make_measures, make_table
from tests.schemas.test_codec import fetched

NOW = STAMP_MS / 1000
FALL = Change("served_hit_rate", "drop", STAMP_MS - 60_000, 0.2, 0.3)
RISE = Change("event_mix.view", "rise", STAMP_MS - 60_000, 0.9, 0.8)


class World:
    """One worker's part, with what was just found."""

    def __init__(self, settings: AlarmSettings | None = None, *, owns: bool = True) -> None:
        self.engine = Engine(TINY)
        self.measures: Measures = make_measures(self.engine)
        self.outbox = Outbox()
        self.clock = ManualClock(NOW)
        self._settings = settings or AlarmSettings()
        self._alarms: DriftAlarms | None = None
        self._table = make_table(owned=[("control", 0)] if owns else [])

    def look(self, *changes: Change) -> int:
        """Look once; these were found before."""
        for change in changes:
            self.measures.watches.tell(change)

        async def run() -> int:
            thread = EngineThread(self.engine)
            parts: Any = (thread, self.measures, self.outbox, self._table, self.clock)
            try:
                self._alarms = self._alarms or DriftAlarms(self._settings, *parts)
                self._alarms._engine = thread
                return await self._alarms.look()
            finally:
                thread.close()

        return asyncio.run(run())

    def hear(self) -> None:
        """What was published is learned, as every worker does."""
        sent = self.outbox.sent
        batch = fetched("control", [each.value for each in sent], [each.key for each in sent])
        found = decode_control(batch, Span("control", 0, 1, batch.start, batch.next), IngestSettings())
        assert not found.rejected
        self.engine.learn_control(found.batch)


def test_a_change_is_published_with_what_is_to_be_done_about_it() -> None:
    world = World(AlarmSettings(exploration=0.1, reset=("transitions",)), owns=False)
    assert world.look(FALL) == 1
    (sent,) = world.outbox.sent
    assert (sent.topic, sent.key) == ("control", b"alarm/served_hit_rate")
    said = json.loads(sent.value or b"")
    assert (said["by"], said["note"]) == ("drift", "served_hit_rate has fallen from 0.300 to 0.200")
    world.hear()
    wanted = Alarm("served_hit_rate", "drop", NOW - 60, 0.2, 0.3, NOW + 21_600, True, 0.1, ("transitions",))
    assert world.engine.decisions.alarms.in_force == {"served_hit_rate": wanted}


def test_what_no_ranker_can_mend_is_said_and_nothing_is_done_about_it() -> None:
    world = World(AlarmSettings(exploration=0.1, reset=("transitions",)))
    assert world.look(RISE, FALL) == 2
    said = json.loads(world.outbox.sent[0].value or b"")
    assert said["note"] == "event_mix.view has risen from 0.800 to 0.900"
    world.hear()
    alarm = world.engine.decisions.alarms.in_force["event_mix.view"]
    assert (alarm.direction, alarm.teaches, alarm.exploration) == ("rise", False, 0.0)
    assert world.engine.decisions.alarms.in_force["served_hit_rate"].teaches


def test_only_metrics_of_the_settings_raise_alarms() -> None:
    assert World(AlarmSettings(raised_by=("dead_letters", "event_mix"))).look(FALL, RISE) == 1


def test_who_finds_the_same_later_says_nothing() -> None:
    world = World()
    world.look(FALL)
    world.hear()
    world.clock.advance(60)
    assert world.look(FALL) == 0
    world.clock.advance(3600)
    assert world.look(FALL) == 0, "its partitions are quiet: it has needed an hour to see it"
    assert world.look(FALL._replace(normal=0.28, level=0.21)) == 0


def test_a_further_change_is_told_while_the_alarm_is_in_force_and_the_same_when_it_is_over() -> None:
    world = World()
    world.look(FALL)
    world.hear()
    world.clock.advance(3600)
    assert world.look(FALL._replace(normal=0.2, level=0.1)) == 1
    again = World()
    again.look(FALL)
    again.hear()
    again.clock.advance(21_601)
    again.look()
    again.hear()
    assert again.look(FALL) == 1


def test_an_alarm_is_taken_back_when_its_time_is_over_by_the_owner_of_control() -> None:
    world, other = World(), World(owns=False)
    for each in (world, other):
        each.look(FALL)
        each.hear()
        each.clock.advance(21_599)
        assert each.look() == 0
        each.clock.advance(2)
    assert other.look() == 0
    assert world.look() == 1
    assert (world.outbox.sent[-1].key, world.outbox.sent[-1].value) == (b"alarm/served_hit_rate", None)
    world.hear()
    assert not world.engine.decisions.alarms.in_force


def judge(world: World, hit: bool, minutes: int = 11) -> None:
    """So many minutes of events from now on, 20 in each, of which all are hits or none; then it is so late."""
    for _ in range(minutes):
        at = np.full(20, int(world.clock.now() * 1000))
        world.measures.quality.add(np.full(20, hit), at)
        world.clock.advance(60)


def test_what_is_popular_takes_over_below_the_floor_and_gives_back_above_it() -> None:
    world = World(AlarmSettings(floor=0.1))
    judge(world, hit=True)
    assert world.look() == 0
    judge(world, hit=False, minutes=9)
    assert world.look() == 0, "the mean of ten minutes is not below it yet"
    judge(world, hit=False, minutes=2)
    assert world.look() == 1
    assert world.look() == 0, "it is on its way"
    said = json.loads(world.outbox.sent[-1].value or b"")
    assert (said["name"], said["by"], said["body"]["popular"]) == ("quality", "floor", True)
    world.hear()
    assert world.engine.decisions.scenarios["default"].logic == "popular"
    judge(world, hit=True, minutes=5)
    assert world.look() == 0, "not so soon"
    judge(world, hit=True, minutes=6)
    assert world.look() == 1
    assert (world.outbox.sent[-1].key, world.outbox.sent[-1].value) == (b"alarm/quality", None)
    world.hear()
    assert world.engine.decisions.scenarios["default"].logic == "personal"


def test_the_floor_is_held_by_the_owner_of_control_and_not_on_few_events() -> None:
    other, quiet = World(AlarmSettings(floor=0.1), owns=False), World(AlarmSettings(floor=0.1))
    judge(other, hit=False)
    judge(quiet, hit=False, minutes=5)
    assert (other.look(), quiet.look()) == (0, 0)


@contextmanager
def webhook(*answers: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers with these codes in turn; its address, and what it was sent."""
    got: list[dict[str, Any]] = []
    left = iter(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(next(left))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_alarm_is_posted_and_again_if_it_was_not_taken() -> None:
    with webhook(500, 200) as (url, got):
        assert World(AlarmSettings(webhook_url=url)).look(FALL) == 1
    assert [(each["kind"], each["name"], each["body"]["level"]) for each in got] == [
        ("alarm", "served_hit_rate", 0.2)
    ] * 2


def test_a_webhook_that_never_answers_well_costs_a_few_attempts_and_nothing_else() -> None:
    with webhook(*[500] * ATTEMPTS) as (url, got):
        world = World(AlarmSettings(webhook_url=url))
        assert world.look(FALL) == 1
    assert len(got) == ATTEMPTS
    assert len(world.outbox.sent) == 1

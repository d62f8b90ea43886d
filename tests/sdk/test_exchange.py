"""When a request is sent again: told by hand, without a server and without waiting."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import pytest

from stream_rec.api.app import table
from stream_rec.clock import ManualClock
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.records import Impression, Interaction, Item, Vector
from stream_rec.schemas.scenario import Scenario
from stream_rec.sdk import calls
from stream_rec.sdk.errors import HttpProblem
from stream_rec.sdk.exchange import At, Steps, Wait, exchange, exchange_batch, vectors_at_a_time
from stream_rec.sdk.options import HttpOptions
from stream_rec.sdk.retries import LONGEST_PAUSE_SECONDS, Retries
from stream_rec.sdk.servers import Servers
from stream_rec.sdk.wire import Batch, Result, Written
from stream_rec.settings import ServeSettings

DONE = httpx.Response(202, content=msgspec.json.encode(Written(0, 5)))
FULL = httpx.Response(
    429, headers={"retry-after": "1"}, content=b'{"type":"x:rate","title":"t","status":429}'
)
AWAY = httpx.Response(503, content=b"<html>")
REFUSED = httpx.Response(422, content=b'{"type":"u:refused","title":"no","status":422,"fix":"do"}')
CUT = httpx.ReadError("cut")
NOBODY = httpx.ConnectError("nobody")
EVENT = Interaction("ann", "a", "view", 1.0)
SHOWN = Impression("s", "ann", 1.0, ("a",))


def tell(
    steps: Steps[Any], answers: Sequence[Any], clock: ManualClock, asked: list[str] | None = None
) -> tuple[Any, list[float]]:
    """What the steps give when the server answers so; and the pauses. `asked` gets whose answers they are."""
    left, pauses, given = list(answers), [], None
    while True:
        try:
            step = steps.send(given)
        except StopIteration as end:
            assert not left
            return end.value, pauses
        if isinstance(step, Wait):
            pauses.append(step.seconds)
            clock.advance(step.seconds)
        else:
            if asked is not None:
                asked.append(step.url)
            given = left.pop(0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def at(clock: ManualClock) -> At:
    return At(Servers("http://x"), Retries(tries=3, chance=random.Random(1)), clock)


def test_an_event_is_sent_again_until_it_is_acknowledged(at: At, clock: ManualClock) -> None:
    done, pauses = tell(exchange(calls.event(EVENT), at), [CUT, FULL, DONE], clock)
    assert done == Written(0, 5)
    assert len(pauses) == 2
    assert pauses[1] >= 0.5  # the server wished for a second


@pytest.mark.parametrize("last", [CUT, AWAY, FULL])
def test_it_is_given_up_after_as_many_tries_as_are_allowed(at: At, clock: ManualClock, last: Any) -> None:
    with pytest.raises(Unavailable, match="http://x"):
        tell(exchange(calls.event(EVENT), at), [NOBODY, AWAY, last], clock)


def test_what_would_count_twice_is_sent_again_only_if_it_was_certainly_not_taken(
    at: At, clock: ManualClock
) -> None:
    assert tell(exchange(calls.impression(SHOWN), at), [NOBODY, FULL, DONE], clock)[0] == Written(0, 5)
    for unclear in (CUT, AWAY):
        with pytest.raises(Unavailable):
            tell(exchange(calls.impression(SHOWN), at), [unclear], clock)


def test_a_refusal_is_not_repeated(at: At, clock: ManualClock) -> None:
    with pytest.raises(HttpProblem, match="fix: do"):
        tell(exchange(calls.event(EVENT), at), [REFUSED], clock)


def test_another_server_is_asked_when_one_does_not_answer(clock: ManualClock) -> None:
    at = At(Servers(["http://a/", "http://b"]), Retries(tries=3, chance=random.Random(1)), clock)
    asked: list[str] = []
    for answers in ([NOBODY, DONE], [DONE], [AWAY, FULL, DONE]):
        done, pauses = tell(exchange(calls.event(EVENT), at), answers, clock, asked)
        assert done == Written(0, 5)
        assert all(pause < 0.5 for pause in pauses)  # who wished for a second is not the one that is asked
    assert asked == ["http://a", "http://b", "http://b", "http://b", "http://a", "http://b"]
    at.servers.failed("http://a")  # told late: b has answered meanwhile
    assert at.servers.asked == "http://b"


@pytest.mark.parametrize("urls", ["", [], ["http://a", ""]])
def test_a_client_without_an_address_says_so(urls: Any) -> None:
    with pytest.raises(ConfigError, match="address"):
        Servers(urls)


def test_of_a_batch_only_what_was_not_taken_is_sent_again(at: At, clock: ManualClock) -> None:
    sent: list[int] = []

    def make(some: Sequence[Interaction]) -> calls.Request[Batch]:
        sent.append(len(some))
        return calls.events(some)

    def batch(*statuses: int) -> httpx.Response:
        return httpx.Response(202, content=msgspec.json.encode(Batch(0, 0, tuple(map(Result, statuses)))))

    steps = exchange_batch(make, [EVENT] * 4, at)
    told, _ = tell(steps, [batch(202, 422, 429, 429), batch(202, 503), batch(503)], clock)
    assert [each.status for each in told.results] == [202, 422, 202, 503]
    assert sent == [4, 2, 1]
    assert (told.accepted, told.refused) == (2, 2)


def test_long_vectors_go_in_small_requests() -> None:
    assert vectors_at_a_time([]) == vectors_at_a_time([Vector("s", "a", (1.0,) * 40)]) == 500
    assert vectors_at_a_time([Vector("s", "a", (1.0,)), Vector("s", "b", (1.0,) * 4096)]) == 4
    assert vectors_at_a_time([Vector("s", "a", (1.0,) * 100_000)]) == 1


READ: dict[str, Any] = {"after": Written(0, 5), "timeout": 4.0}
LIMITED: dict[str, Any] = {**READ, "limits": calls.NO_LIMITS, "fields": ()}


@pytest.mark.parametrize(
    "read",
    [
        calls.recommendations("ann", **READ),
        calls.session(["a"], (), 5, "default", **LIMITED),
        calls.page("ann", [], explain=False, **LIMITED),
        calls.rank(["a"], "ann", (), scenario="default", **LIMITED),
        calls.similar(["a"], 5, None, 0.5, scenario="", **LIMITED),
        calls.top("popular", 5, "", fields=(), **READ),
        calls.profile("ann", 5, fields=(), **READ),
    ],
    ids=lambda each: each.path,
)
def test_who_asks_the_server_to_wait_waits_for_it(read: calls.Request[Any]) -> None:
    assert HttpOptions(timeout_seconds=15.0).until(read.waits_seconds, is_slow=read.is_slow).read == 19.0


def test_what_takes_the_server_longer_is_waited_for_longer_than_its_limit() -> None:
    options, limits = HttpOptions(), ServeSettings()
    forget = calls.forget("ann", 30.0, dry_run=False)
    assert options.until(forget.waits_seconds, is_slow=forget.is_slow).read == 95.0
    assert options.slow_timeout_seconds > limits.slow_timeout_seconds
    assert options.timeout_seconds > limits.timeout_seconds


def test_the_client_knows_which_routes_are_slow() -> None:
    """By the server's own table: `{...}` stands for one part of a path."""
    slow = {(each.method, each.route): each.is_slow for each in table()}
    asked: list[calls.Request[Any]] = [
        calls.patch_item("a", {}),
        calls.put_item(Item("a")),
        calls.forget("a", 1.0, dry_run=True),
        calls.merge("a", "b"),
        calls.scenarios(),
        calls.scenario("a"),
        calls.apply_scenario("a", Scenario()),
        calls.preview_scenario("a", Scenario(), "ann"),
        calls.delete_scenario("a"),
        calls.experiments(),
        calls.experiment("a"),
        calls.apply_experiment("a", Experiment(()), ""),
        calls.move_experiment("a", "start", ""),
        calls.lag(),
        calls.visitor("a", "b"),
        calls.event(EVENT),
    ]
    for each in asked:
        (of,) = [is_slow for (method, route), is_slow in slow.items() if is_of(each, method, route)]
        assert each.is_slow == of, each.path


def is_of(asked: calls.Request[Any], method: str, route: str) -> bool:
    return method == asked.method and bool(re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", route), asked.path))


def test_of_impressions_only_what_was_certainly_not_taken_is_sent_again(at: At, clock: ManualClock) -> None:
    def batch(*statuses: int) -> httpx.Response:
        return httpx.Response(202, content=msgspec.json.encode(Batch(0, 0, tuple(map(Result, statuses)))))

    steps = exchange_batch(calls.impressions, [SHOWN] * 3, at)
    told, _ = tell(steps, [batch(202, 503, 429), batch(202)], clock)
    assert [each.status for each in told.results] == [202, 503, 202]
    with pytest.raises(Unavailable):
        tell(exchange_batch(calls.impressions, [SHOWN], at), [AWAY], clock)


def test_pauses_are_bounded_and_differ() -> None:
    retries = Retries(tries=100, seconds=1e9, chance=random.Random(2))
    pauses = [retries.pause(attempt, 0.0) for attempt in range(1, 100)]
    assert all(pause is not None and 0 <= pause <= LONGEST_PAUSE_SECONDS for pause in pauses)
    assert len(set(pauses)) == len(pauses)
    assert Retries(tries=9, seconds=1.0).pause(8, 1.0) is None

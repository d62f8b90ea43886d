"""When a request is sent again: told by hand, without a server and without waiting."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import pytest

from stream_rec.clock import ManualClock
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.records import Impression, Interaction, Vector
from stream_rec.sdk import calls
from stream_rec.sdk.errors import HttpProblem
from stream_rec.sdk.exchange import At, Steps, Wait, exchange, exchange_batch, vectors_at_a_time
from stream_rec.sdk.options import HttpOptions
from stream_rec.sdk.retries import LONGEST_PAUSE_SECONDS, Retries
from stream_rec.sdk.servers import Servers
from stream_rec.sdk.wire import Batch, Result, Written

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


def test_who_asks_the_server_to_wait_waits_for_it() -> None:
    forget = calls.forget("ann", 30.0, dry_run=False)
    assert HttpOptions(timeout_seconds=15.0).until(forget.waits_seconds).read == 45.0


def test_pauses_are_bounded_and_differ() -> None:
    retries = Retries(tries=100, seconds=1e9, chance=random.Random(2))
    pauses = [retries.pause(attempt, 0.0) for attempt in range(1, 100)]
    assert all(pause is not None and 0 <= pause <= LONGEST_PAUSE_SECONDS for pause in pauses)
    assert len(set(pauses)) == len(pauses)
    assert Retries(tries=9, seconds=1.0).pause(8, 1.0) is None

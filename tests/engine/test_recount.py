"""After streaming, the counts in the engine are those of a batch recount from the plain list of events.

Small enough that no bounded row, ring or history overflows (fewer items than any row has entries, fewer events than a
history or a ring holds): then nothing may be missing. All events of a log share one time where exact equality is
asked for, since forward decay then adds exactly the event's weight.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.engine.fold import learn
from stream_rec.engine.learning.event_clock import JUMP_SECONDS
from stream_rec.engine.names import n_rows, name_of, rows_of
from stream_rec.engine.state import create
from stream_rec.kernels.codes import NO_CODE, ROW_MASK
from stream_rec.schemas.columns import EventBatch, IdColumn, Span
from stream_rec.sources import item_neighbours
from stream_rec.sources.item_neighbours import COSINE, RATES
from tests.engine.holding import parts
from tests.engine.worlds import engine
from tests.oracles import recount
from tests.oracles.recount import Event, Transitions

N_EVENTS = 120
WEIGHTS = {"click": 1.0, "cart": 1.5, "purchase": 2.0}
TYPES = {weight: name for name, weight in WEIGHTS.items()}
EPOCHS = st.sampled_from([0.0, 1.7e9])

events = st.lists(
    st.builds(
        Event,
        st.sampled_from([f"u{n}" for n in range(6)]),
        st.sampled_from([f"i{n}" for n in range(14)]),
        st.sampled_from(["morning", "evening"]),
        st.sampled_from(sorted(TYPES)),
    ),
    min_size=1,
    max_size=N_EVENTS,
)


def streamed(log: list[Event], times: list[float], cut: int = 0) -> Engine:
    """An engine that has learned the log in two batches."""
    e = engine(history_length=128, ring_length=N_EVENTS)
    for a, b in ((0, cut), (cut, len(log))):
        part = log[a:b]
        rows = [(event.user, event.item, ts) for event, ts in zip(part, times[a:b], strict=True)]
        ids = [event.session for event in part]
        batch = EventBatch.of(rows, span=Span("events", 0, 0, a, b), sessions=ids)
        e.learn(replace(batch, event_types=[TYPES[event.weight] for event in part]))
    return e


def item_names(e: Engine) -> list[str]:
    return [name_of(e.state.items, row) for row in range(n_rows(e.state.items))]


def table(e: Engine, codes: NDArray[np.int32], weights: NDArray[np.float32]) -> recount.Counts:
    """Sparse rows by the items' ids."""
    names = item_names(e)
    return {
        (names[row], names[int(code) & ROW_MASK]): float(weights[row, at])
        for row in range(len(names))
        for at, code in enumerate(codes[row])
        if code != NO_CODE
    }


def transitions(e: Engine) -> Transitions:
    t = e.state.transitions
    return Transitions(
        table(e, t.next_codes, t.next_weights),
        table(e, t.later_codes, t.later_weights),
        table(e, t.back_codes, t.back_weights),
    )


def popularity(e: Engine) -> list[dict[str, float]]:
    """By half-life, in units of an event at the latest time learned."""
    p, names = e.state.popularity, item_names(e)
    now = np.exp(-p.rates * (e.event_time - p.landmarks))
    return [dict(zip(names, (p.scores[h, : len(names)] * now[h]).tolist(), strict=True)) for h in range(3)]


def users_with(e: Engine) -> tuple[recount.Counts, dict[str, float]]:
    m = e.state.item_neighbours
    return table(e, m.codes, m.counts), dict(zip(item_names(e), m.degree.tolist(), strict=False))


def sessions_on_rings(e: Engine) -> Counter[tuple[str, str]]:
    """(item, user): how many entries the item's ring has of the user."""
    n = e.state.neighbours
    return Counter(
        (item, name_of(e.state.users, int(user)))
        for row, item in enumerate(item_names(e))
        for user in n.users[row, : n.pushed[row]]
    )


def items_of_users(e: Engine) -> dict[str, list[str]]:
    h, names = e.state.histories, item_names(e)
    return {
        name_of(e.state.users, row): [names[int(c) & ROW_MASK] for c in h.items[row, : h.n_events[row]]]
        for row in range(n_rows(e.state.users))
    }


@settings(max_examples=60, deadline=None)
@given(events, st.integers(0, N_EVENTS), EPOCHS)
def test_transitions(log: list[Event], cut: int, now: float) -> None:
    got, expected = transitions(streamed(log, [now] * len(log), min(cut, len(log)))), recount.transitions(log)
    assert got.directly == expected.directly
    assert got.back == expected.back
    assert got.later == pytest.approx(expected.later, rel=1e-5)  # a third is no float


@settings(max_examples=60, deadline=None)
@given(events, st.integers(0, N_EVENTS), EPOCHS)
def test_popularity(log: list[Event], cut: int, now: float) -> None:
    expected = recount.popularity(log)
    assert popularity(streamed(log, [now] * len(log), min(cut, len(log)))) == [expected] * 3


@settings(max_examples=60, deadline=None)
@given(events, st.integers(0, N_EVENTS), EPOCHS)
def test_item_neighbours(log: list[Event], cut: int, now: float) -> None:
    assert users_with(streamed(log, [now] * len(log), min(cut, len(log)))) == recount.users_with(log)


@settings(max_examples=30, deadline=None)
@given(events)
def test_shrunk_cosines(log: list[Event]) -> None:
    """What a visitor who has had one item is offered, by the counts alone."""
    e = streamed(log, [0.0] * len(log))
    pairs, single = recount.users_with(log)
    query, names = create.query(e.settings), item_names(e)
    for row, item in enumerate(names):
        learn.read_query(*parts(e, query), -2 - row, False)
        item_neighbours.propose(*parts(e, query))
        n = int(query.n_candidates[0])
        found = [names[int(c) & ROW_MASK] for c in query.codes[:n]]
        expected = {
            other: count / (math.sqrt(single[item] * single[other]) + RATES.shrink)
            for (one, other), count in pairs.items()
            if one == item
        }
        got = dict(zip(found, query.features[COSINE, :n].tolist(), strict=True))
        assert got == pytest.approx(expected, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(events)
def test_histories_and_the_rings_of_session_neighbours(log: list[Event]) -> None:
    e = streamed(log, [0.0] * len(log))
    assert items_of_users(e) == recount.histories(log)
    assert sessions_on_rings(e) == recount.first_in_session(log)


def interleaved(log: list[Event], seed: int) -> list[int]:
    """Places of the log's events in another order, in which each user's own stay in theirs."""
    users = [event.user for event in log]
    mine = {user: [at for at, other in enumerate(users) if other == user] for user in users}
    return [mine[user].pop(0) for user in np.random.default_rng(seed).permutation(users).tolist()]


@settings(max_examples=40, deadline=None)
@given(events, st.integers(0, 1 << 32))
def test_counts_do_not_depend_on_the_order_of_different_users(log: list[Event], seed: int) -> None:
    """Free of it: histories, transitions, popularity, item neighbours, and which sessions stand on the rings.

    Not free of it, and meant to be so: the order on the rings (the newest sessions are asked first), the list of new
    items, factors and ranker (each step starts where the last one ended).
    """
    other = [log[at] for at in interleaved(log, seed)]
    a, b = (streamed(order, [1.7e9] * len(log)) for order in (log, other))
    assert transitions(a).directly == transitions(b).directly
    assert transitions(a).back == transitions(b).back
    assert transitions(a).later == pytest.approx(transitions(b).later, rel=1e-5)
    assert popularity(a) == popularity(b)
    assert users_with(a) == users_with(b)
    assert items_of_users(a) == items_of_users(b)
    assert sessions_on_rings(a) == sessions_on_rings(b)


@settings(max_examples=30, deadline=None)
@given(events, st.integers(0, 1 << 32))
def test_nor_with_decay_but_for_rounding(log: list[Event], seed: int) -> None:
    """Events keep their times, and so arrive late in one of the orders: by no more than the clock believes at once."""
    rng = np.random.default_rng(seed)
    times = (1.7e9 + np.sort(rng.uniform(0, JUMP_SECONDS, len(log)))).tolist()
    order = interleaved(log, seed)
    a, b = streamed(log, times), streamed([log[at] for at in order], [times[at] for at in order])
    clocks = [e.state.transitions.clock[0] for e in (a, b)]
    unit = [math.exp(clock["rate"] * (1.7e9 - clock["landmark"])) for clock in clocks]
    for mine, other in zip(transitions(a), transitions(b), strict=True):
        assert {pair: weight / unit[0] for pair, weight in mine.items()} == pytest.approx(
            {pair: weight / unit[1] for pair, weight in other.items()}, rel=1e-4
        )
    for mine, other in zip(popularity(a)[1:], popularity(b)[1:], strict=True):
        assert mine == pytest.approx(other, rel=1e-6, abs=1e-12)
    assert users_with(a) == users_with(b)


@settings(max_examples=20, deadline=None)
@given(events, st.lists(st.sampled_from([f"i{n}" for n in range(14)]), min_size=1, max_size=9))
def test_a_newcomer_is_folded_in_by_the_formula(log: list[Event], clicks: list[str]) -> None:
    """The query of who has no factors yet is the mean of the inputs of the session's last five items.

    Their weights fall by `step_decay` for every event since. That is a closed form: the vector v that minimises
    sum w_i |v - input_i|^2. `frozen` moves only the history, so that nothing else is learned meanwhile.
    """
    known = {event.item for event in log}
    clicks = [item for item in clicks if item in known] or [log[0].item]
    e = streamed(log, [1000.0] * len(log))
    rows = [("newcomer", item, 1000.0) for item in clicks]
    n = len(log)
    e.learn(EventBatch.of(rows, span=Span("events", 0, 0, n, n + len(rows))), frozen=True)

    query, user = create.query(e.settings), int(rows_of(e.state.users, IdColumn.of(["newcomer"]))[0])
    rates = create.rates(e.settings).factors
    assert learn.read_query(*parts(e, query), user, False)
    inputs = dict(zip(item_names(e), e.state.factors.inputs, strict=False))
    ago = {item: len(clicks) - 1 - at for at, item in enumerate(clicks)}  # of its last event
    newest = sorted(ago, key=lambda item: ago[item])[: rates.session_items]
    weights = np.array([rates.step_decay ** ago[item] for item in newest])
    expected = weights @ np.array([inputs[item] for item in newest], np.float64) / weights.sum()
    np.testing.assert_allclose(query.vector, expected, atol=1e-6)
    assert not e.state.factors.users[user].any()

"""The digest tells engines apart by all that they know, and by nothing else."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import n_rows
from stream_rec.engine.state.layout import leaves
from tests.engine.worlds import click, engine, learn, random_log

MEMORY = {"slots", "starts", "arena", "counters", "heads", "later"}
"""Where ids and entries lie is no part of what is known."""
TYPES = {"hide": {"meaning": "never"}, "uncart": {"meaning": "undo:cart"}, "rating": {"value": "rating"}}
PATHS = [path for path, _ in leaves(engine().state)]


def learned(**bounds: object) -> Engine:
    e = engine(event_types=TYPES, **bounds)
    learn(e, random_log(1, 300, users=10, items=12))
    click(e, ("u1", "i1", 2e9), event_type="hide")
    click(e, ("u1", "i2", 2e9), event_type="cart")
    return e


@cache
def unchanged(bound: int) -> Engine:
    """The same for all tests that put back what they change."""
    return learned(max_users=bound, max_items=bound)


@pytest.mark.parametrize(
    "path", [p for p in PATHS if p == "past.heads" or p.rpartition(".")[2] not in MEMORY]
)
@pytest.mark.parametrize("bound", [16, 64])
def test_every_learned_array_counts(path: str, bound: int) -> None:
    """Also where the number of rows happens to be the length of something else (the ranker's weights, say)."""
    e = unchanged(bound)
    before = e.digest()
    array = dict(leaves(e.state))[path]
    is_by_row = len(array) == bound and not path.startswith("ranker.")
    at = min(n_rows(e.state.users), n_rows(e.state.items)) - 1 if is_by_row else -1
    if path.startswith("hidden."):
        at = n_rows(e.state.hidden) - 1
    if path.startswith(("windowed.", "windows.")):
        at = n_rows(e.state.windowed) - 1
    if path.startswith("texts.") or path in ("columns.uses", "columns.next_free"):
        at = n_rows(e.state.texts) - 1
    if path.startswith(("blocked.", "undoable.")):
        at = n_rows(getattr(e.state, path.partition(".")[0])) - 1
    if path in ("past.pages", "past.types"):
        at = int(e.state.past.counters["n_pages"][0]) - 1
    if path == "spaces.vectors":  # slots that are not in use, and rows that were never taken, are no part
        array, at = array[0], n_rows(e.state.items) - 1
    _flip(array, at)
    assert e.digest() != before
    _flip(array, at)
    assert e.digest() == before


def _flip(array: np.ndarray, at: int) -> None:
    """Change one bit of the last number under array[at]."""
    view = array.reshape(len(array), -1).view(np.uint8)
    view[at, -1] ^= 1


def test_joins_of_impressions_count() -> None:
    e = learned()
    before = e.digest()
    e.attribution.state.counters["next_exposure"] += 1
    assert e.digest() != before


def test_where_ids_lie_in_memory_does_not_count() -> None:
    a, b = learned(), learned()
    rows = [(f"u{n % 9}", f"i{n % 7}", 2e9 + n) for n in range(400)]
    for row in rows:
        click(a, row)
    click(b, *rows)
    assert len(a.state.users.arena) <= len(b.state.users.arena)
    assert a.digest() == b.digest()


def test_bounds_that_were_not_reached_do_not_count() -> None:
    """So the cost goes with what is known; the lists that span all items are the exception."""
    a, b = learned(max_users=64), learned(max_users=128)
    assert a.digest() == b.digest()


def test_ids_count() -> None:
    a, b = engine(), engine()
    click(a, ("u", "x", 1.0))
    click(b, ("u", "y", 1.0))
    assert a.digest() != b.digest()

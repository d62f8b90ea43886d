"""References as kernels take them, to what a test holds."""

from __future__ import annotations

from stream_rec.engine.engine import Engine
from stream_rec.engine.fold.handle import hold
from stream_rec.engine.fold.state import Query, Rates, State
from stream_rec.engine.state import create


def parts(e: Engine, query: Query, rates: Rates | None = None) -> tuple[State, Query, Rates]:
    """The engine's state, this working memory and these rates (None = those of its settings)."""
    handle = hold(e.state, query, create.rates(e.settings) if rates is None else rates)
    return handle.state, handle.query, handle.rates

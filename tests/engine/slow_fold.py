"""The engine's fold written out, one event at a time, with fresh working memory for each: slow and obvious."""

from __future__ import annotations

from typing import Any, Literal

import numba
import numpy as np

from stream_rec.engine.answering.outputs import empty_ranks, judged
from stream_rec.engine.engine import Engine
from stream_rec.engine.fold import judge, learn
from stream_rec.engine.fold.handle import hold
from stream_rec.engine.learning.event_columns import columns
from stream_rec.engine.learning.learn_loop import training_sample
from stream_rec.engine.results import Judged
from stream_rec.engine.state import create
from stream_rec.kernels.reference import ReferenceType, refer
from stream_rec.schemas.columns import EventBatch

Leak = Literal["none", "counts", "all"]


def lent(held: Any) -> Any:
    """A reference of the type that `advance` lends to the kernels below: with another they would be compiled anew."""
    reference = refer(held)
    if not numba.config.DISABLE_JIT:
        kind = numba.typeof(held)
        reference._numba_type_ = ReferenceType(
            tuple(zip(kind.fields, kind.types, strict=True)), is_constant=False
        )
    return reference


def learn_one_by_one(e: Engine, batch: EventBatch, leak: Leak = "none") -> Judged:
    """Ask, judge, train, learn: for every event, in this order.

    Args:
        e: learns; its joins of impressions do not.
        batch: events.
        leak: a planted fault. "all": an event is learned before it is asked for; "counts": before it is judged, so
            only the features know it.
    """
    e.held.make_room(len(batch.users.data), len(batch.items.data))
    events, rates = columns(batch, e.settings.seed, e._meanings), create.rates(e.settings)
    trained = training_sample(events, e.settings, e.n_learned)
    seed = np.uint64(e.settings.seed)
    out = empty_ranks(len(batch), len(e.sources))
    asked, ranks = lent(events), lent(out)
    for i in range(len(batch)):
        ours = hold(e.state, create.query(e.settings), rates)

        def learn_it(i: int = i) -> None:
            fresh = hold(e.state, create.query(e.settings), rates)
            learn.learn_event(fresh.state, fresh.query, fresh.rates, asked, i, seed, False)

        if leak == "all":
            learn_it()
        has_vector = bool(learn.prepare(ours.state, ours.query, ours.rates, asked, i))
        found = e._vectors.search_one(ours.query.vector) if has_vector else e._vectors.nowhere
        if leak == "counts":
            learn_it()
        learn.gather(ours, found, has_vector)
        item = learn.item_of(ours.state, asked, i)
        judge.judge(
            ours.state, ours.query, ours.rates, i, item, events.user_hashes[i], bool(trained[i]), ranks
        )
        if leak == "none":
            learn_it()
        e._vectors.after(e.state, e.n_learned)
    return judged(out, np.arange(len(batch)))

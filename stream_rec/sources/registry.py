"""Every source of the table, loaded; and one kernel for each thing that is done with all of them in turn.

A source is a module of this folder that has any of these:

    empty(bounds)                          its part of the state, before the first event
    scratch(bounds)                        its part of a query's working memory
    RATES                                  its settings, a NamedTuple
    learn(state, query, rates, event)      after the event was judged; the context is that before the event
    propose(state, query, rates)           enter candidates, and what their features are
    describe(state, query, rates)          features that every candidate has, whoever found it
    reject(state, query, rates, event)     the event says that its user dislikes the item
    undo(state, query, rates, undone)      an event of the past is taken back
    enter_item(state, rates, row, seed)    a new item stands in the row
    evict_item(state, row)                 the item in the row goes: nothing of it may stay
    evict_user(state, row)                 the user in the row goes

`propose` and `describe` read the state and write only the query; they are skipped if the source is switched off.
Ratings, which are no source, have a part of the state and give up rows like one (`features.PARTS`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from stream_rec.kernels import normalise
from stream_rec.kernels.candidates import index_of
from stream_rec.kernels.compile import kernel, kernel_joined
from stream_rec.sources.features import (
    ECHOES,
    KIND_OF,
    LEVEL,
    LIST,
    N_FEATURES,
    PARTS,
    SOURCE_OF,
    SOURCES,
    SWITCHES,
    VECTOR,
)

MODULES: dict[str, ModuleType] = {
    source.name: import_module(f"{__package__}.{source.name}") for source in PARTS
}


def parts(make: str, *arguments: Any) -> dict[str, Any]:
    """What every source's `make` gives, by the name of its part; sources without it are left out."""
    found = {source.state: getattr(MODULES[source.name], make, None) for source in PARTS if source.state}
    return {name: made(*arguments) if callable(made) else made for name, made in found.items() if made}


def _kernels(hook: str) -> list[Callable[..., None]]:
    """This kernel of every source that has it, in their turn."""
    modules = [MODULES[source.name] for source in sorted(PARTS, key=lambda source: source.turn)]
    return [getattr(module, hook) for module in modules if hasattr(module, hook)]


def _heard(place, hook):
    """A kernel that is skipped when its source is switched off."""

    @kernel_joined
    def if_heard(state, query, rates):
        if rates.heard[place]:
            hook(state, query, rates)

    return if_heard


def _of_heard(hook):
    by_turn = sorted(SOURCES, key=lambda source: source.turn)
    modules = [(SWITCHES.index(source.name), MODULES[source.name]) for source in by_turn]
    return [_heard(place, getattr(module, hook)) for place, module in modules if hasattr(module, hook)]


def _both_of_query(first, second):
    @kernel_joined
    def both(state, query, rates):
        first(state, query, rates)
        second(state, query, rates)

    return both


def _both_of_event(first, second):
    @kernel_joined
    def both(state, query, rates, event):
        first(state, query, rates, event)
        second(state, query, rates, event)

    return both


def _both_of_row(first, second):
    @kernel_joined
    def both(state, row):
        first(state, row)
        second(state, row)

    return both


def _both_of_entry(first, second):
    @kernel_joined
    def both(state, rates, row, seed):
        first(state, rates, row, seed)
        second(state, rates, row, seed)

    return both


propose = reduce(_both_of_query, _of_heard("propose"))
describe = reduce(_both_of_query, _of_heard("describe"))
learn = reduce(_both_of_event, _kernels("learn"))
reject = reduce(_both_of_event, _kernels("reject"))
undo = reduce(_both_of_event, _kernels("undo"))
enter_item = reduce(_both_of_entry, _kernels("enter_item"))
evict_item = reduce(_both_of_row, _kernels("evict_item"))
evict_user = reduce(_both_of_row, _kernels("evict_user"))


@kernel
def normalise_features(query, rates):
    """Every feature as its kind says; those of sources that are switched off stay 0."""
    n = query.n_candidates[0]
    for j in range(N_FEATURES):
        if not rates.heard[SOURCE_OF[j]]:
            continue
        if KIND_OF[j] == LIST:
            normalise.share_of_heaviest(query.features[j], n)
        elif KIND_OF[j] == VECTOR:
            normalise.standardise(query.features[j], n)
        elif KIND_OF[j] == LEVEL:
            normalise.height(query.features[j], n)


@kernel
def silence_echoes(query):
    """What the session itself has told the sources says nothing of whether its items come again."""
    for i in range(query.n_session[0]):
        code = query.session_codes[i]
        c = index_of(query, code)
        if c < 0 or query.codes[c] != code:  # the row of one that was evicted is another's
            continue
        for j in range(N_FEATURES):
            if ECHOES[j]:
                query.features[j, c] = np.float32(0.0)


@kernel
def gather(state, query, rates, indexed, has_vector):
    """All candidates and features for the context that read_context filled. Reads the state, writes only the query.

    Args:
        state: read only.
        query: its context is filled.
        rates: which sources are heard.
        indexed: int32, item rows that the vector index found, -1 = none.
        has_vector: is query.vector one.
    """
    query.has_vector[0] = has_vector
    for i in range(query.indexed.shape[0]):
        query.indexed[i] = indexed[i] if i < indexed.shape[0] else -1
    propose(state, query, rates)
    describe(state, query, rates)
    normalise_features(query, rates)
    silence_echoes(query)

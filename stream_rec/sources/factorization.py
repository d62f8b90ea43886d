"""Factorization: user and item factors, one step of sampled softmax per event.

The query of a user is the user's own factors plus the recency-weighted mean of the *input* factors of the session's
last items, so that unknown users are folded in from their first click; an item's score is the inner product with its
item factors, which live in the vector index.

Update: softmax cross-entropy of the item against `n_negatives` items drawn from the most recent events, row-wise
Adagrad. Tags are hashed to running means of the factors of the items that bear them: that is where an item without
events starts.
Sources: asymmetric factors, Koren, KDD 2008, eq. 12; sampled softmax, Jean et al., ACL 2015; Adagrad, Duchi, Hazan,
Singer, JMLR 12, 2011; feature hashing, Weinberger et al., ICML 2009.

A source is one file (docs/add-a-source.md); this is the longest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.candidates import candidate
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of, is_current
from stream_rec.kernels.compile import kernel, kernel_inner, kernel_inner_sums, kernel_sums
from stream_rec.kernels.decay import power
from stream_rec.kernels.ids import uniform, unit
from stream_rec.kernels.ownership import PerItem, PerUser
from stream_rec.sources.features import number_of

VECTOR = number_of("vector")

N_RECENT = 16_384
N_TAGS, TAGS_PER_ITEM = 4096, 8


class FactorState(NamedTuple):
    """State; F = factors.

    Attributes:
        users: float32 [users, F], what the session does not explain of a user.
        user_squares: float32 [users], Adagrad sums.
        inputs: float32 [items, F], what an item in the session says about the next one.
        input_squares: float32 [items].
        items: float32 [items, F], item factors: what the vector index holds.
        item_squares: float32 [items].
        recent: int32 [n], codes of the last n events: negatives are drawn from it.
        n_recent: int64 [1], events so far.
        dirty: bool [items], learned from an event since the index saw it; steps as a negative are small and wait.
        tag_items: float32 [T, F], running mean of the item factors under a hashed tag.
        tag_inputs: float32 [T, F].
        tags: int32 [items, m], hashed tags of an item, 0 = none.
    """

    users: PerUser[np.float32]
    user_squares: PerUser[np.float32]
    inputs: PerItem[np.float32]
    input_squares: PerItem[np.float32]
    items: PerItem[np.float32]
    item_squares: PerItem[np.float32]
    recent: NDArray[np.int32]
    n_recent: NDArray[np.int64]
    dirty: PerItem[np.bool_]
    tag_items: NDArray[np.float32]
    tag_inputs: NDArray[np.float32]
    tags: PerItem[np.int32]


class FactorScratch(NamedTuple):
    """Working memory of one query or step.

    Attributes:
        shares: float32 [session_items], what each item of the session has in the query.
        gradient: float32 [F].
        picks: int32 [n_negatives + 1], item rows.
        errors: float32 [n_negatives + 1].
    """

    shares: NDArray[np.float32]
    gradient: NDArray[np.float32]
    picks: NDArray[np.int32]
    errors: NDArray[np.float32]


class FactorRates(NamedTuple):
    """What stays the same while learning."""

    learning_rate: float
    regularisation: float
    n_negatives: int
    step_decay: float
    session_items: int
    initial_scale: float
    tag_rate: float


RATES = FactorRates(
    learning_rate=0.1,
    regularisation=0.001,
    n_negatives=8,
    step_decay=0.6,
    session_items=5,
    initial_scale=0.1,
    tag_rate=0.05,
)


def empty(bounds: Bounds) -> FactorState:
    """Users at zero; items get their factors when they enter."""
    n_users, n_items, n_factors = bounds.users, bounds.items, bounds.n_factors
    return FactorState(
        users=np.zeros((n_users, n_factors), np.float32),
        user_squares=np.zeros(n_users, np.float32),
        inputs=np.zeros((n_items, n_factors), np.float32),
        input_squares=np.zeros(n_items, np.float32),
        items=np.zeros((n_items, n_factors), np.float32),
        item_squares=np.zeros(n_items, np.float32),
        recent=np.zeros(N_RECENT, np.int32),
        n_recent=np.zeros(1, np.int64),
        dirty=np.zeros(n_items, np.bool_),
        tag_items=np.zeros((N_TAGS, n_factors), np.float32),
        tag_inputs=np.zeros((N_TAGS, n_factors), np.float32),
        tags=np.zeros((n_items, TAGS_PER_ITEM), np.int32),
    )


def scratch(bounds: Bounds) -> FactorScratch:
    """Working memory of one query or step."""
    return FactorScratch(
        shares=np.zeros(RATES.session_items, np.float32),
        gradient=np.zeros(bounds.n_factors, np.float32),
        picks=np.zeros(RATES.n_negatives + 1, np.int32),
        errors=np.zeros(RATES.n_negatives + 1, np.float32),
    )


@kernel
def initialise_item(own, rates, row, seed):
    """Random factors in +-initial_scale, a function of the seed; no tags."""
    for j in range(own.items.shape[1]):
        own.items[row, j] = np.float32(rates.initial_scale * (2.0 * unit(uniform(seed, 2 * j)) - 1.0))
        own.inputs[row, j] = np.float32(rates.initial_scale * (2.0 * unit(uniform(seed, 2 * j + 1)) - 1.0))
    own.item_squares[row] = np.float32(0.0)
    own.input_squares[row] = np.float32(0.0)
    own.tags[row, :] = 0
    own.dirty[row] = True


@kernel_inner
def set_tags(own, row, tags):
    """Hashed tags of an item, int32 [m]."""
    for t in range(own.tags.shape[1]):
        own.tags[row, t] = tags[t]


@kernel
def place_by_tags(own, row):
    """Add the mean of the tags' factors: where items with these tags stand."""
    n = 0
    for t in range(own.tags.shape[1]):
        if own.tags[row, t] > 0:
            n += 1
    for t in range(own.tags.shape[1]):
        tag = own.tags[row, t]
        if tag > 0:
            for j in range(own.items.shape[1]):
                own.items[row, j] += own.tag_items[tag, j] / np.float32(n)
                own.inputs[row, j] += own.tag_inputs[tag, j] / np.float32(n)
    own.dirty[row] = True


def learned_inputs(own: FactorState, rows: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Bool [n]: have events taught the input factors of these items, or of one of their tags; else they are random."""
    tags = own.tags[rows]
    taught = (tags > 0) & own.tag_inputs[tags].any(axis=2)
    learned: NDArray[np.bool_] = (own.input_squares[rows] > 0) | taught.any(axis=1)
    return learned


@kernel
def clear_user(own, user):
    """Forget a user."""
    own.users[user, :] = np.float32(0.0)
    own.user_squares[user] = np.float32(0.0)


@kernel_sums
def query_vector(own, rates, user, codes, steps, n_codes, generation, out, weights):
    """The query, out float32 [F] = user factors + recency-weighted mean of the session items' input factors.

    weights float32 [>= session_items] is filled with each session item's share (0 for a stale code).

    Returns:
        False when there is nothing to go by (an unknown user without a session): out is zero.
    """
    for j in range(out.shape[0]):
        out[j] = own.users[user, j] if user >= 0 else np.float32(0.0)
    total = np.float32(0.0)
    n = min(n_codes, rates.session_items)
    for k in range(n):
        w = (
            np.float32(power(rates.step_decay, steps[k]))
            if is_current(codes[k], generation)
            else np.float32(0.0)
        )
        weights[k] = w
        total += w
    if total == np.float32(0.0):
        return user >= 0 and own.user_squares[user] > np.float32(0.0)
    for k in range(n):
        weights[k] /= total
        if weights[k] > np.float32(0.0):
            row = codes[k] & ROW_MASK
            for j in range(out.shape[0]):
                out[j] += weights[k] * own.inputs[row, j]
    return True


@kernel_inner_sums
def dot(a, row, v):
    """a[row] . v in float32."""
    total = np.float32(0.0)
    for j in range(v.shape[0]):
        total += a[row, j] * v[j]
    return total


@kernel_inner_sums
def _step(rates, squares, row, gradient, scale):
    """Row-wise Adagrad: the step for a gradient of scale * gradient; adds its mean square to squares[row]."""
    total = np.float32(0.0)
    for j in range(gradient.shape[0]):
        total += gradient[j] * gradient[j]
    squares[row] += scale * scale * total / np.float32(gradient.shape[0])
    return np.float32(rates.learning_rate) * scale / np.sqrt(squares[row] + np.float32(1e-6))


@kernel_sums
def step(own, rates, user, codes, steps, n_codes, row, seed, generation, vector, scratch):
    """One step of sampled softmax towards item `row` (Jean et al., ACL 2015; Adagrad: Duchi et al., JMLR 2011).

    Negatives are drawn from the most recent events, so an item is pushed down as often as it is current.
    Working memory: vector float32 [F], overwritten with the query, and scratch.
    """
    weights, gradient, picks, errors = scratch.shares, scratch.gradient, scratch.picks, scratch.errors
    query_vector(own, rates, user, codes, steps, n_codes, generation, vector, weights)
    held = min(own.n_recent[0], own.recent.shape[0])
    picks[0] = row
    n = 1
    for i in range(rates.n_negatives):
        if held == 0:
            break
        code = own.recent[np.int64(uniform(seed, i) % np.uint64(held))]
        if is_current(code, generation) and (code & ROW_MASK) != row:
            picks[n] = code & ROW_MASK
            n += 1
    top = np.float32(-1e30)
    for i in range(n):
        errors[i] = dot(own.items, picks[i], vector)
        top = max(top, errors[i])
    total = np.float32(0.0)
    for i in range(n):
        errors[i] = np.exp(errors[i] - top)
        total += errors[i]
    gradient[:] = np.float32(0.0)
    for i in range(n):
        errors[i] = errors[i] / total - (np.float32(1.0) if i == 0 else np.float32(0.0))
        for j in range(vector.shape[0]):
            gradient[j] += errors[i] * own.items[picks[i], j]
    shrink = np.float32(1.0 - rates.learning_rate * rates.regularisation)
    for i in range(n):
        size = _step(rates, own.item_squares, picks[i], vector, errors[i])
        for j in range(vector.shape[0]):
            own.items[picks[i], j] = own.items[picks[i], j] * shrink - size * vector[j]
    own.dirty[row] = True
    size = _step(rates, own.user_squares, user, gradient, np.float32(1.0))
    for j in range(vector.shape[0]):
        own.users[user, j] = own.users[user, j] * shrink - size * gradient[j]
    for k in range(min(n_codes, rates.session_items)):
        if weights[k] > np.float32(0.0):
            at = codes[k] & ROW_MASK
            size = _step(rates, own.input_squares, at, gradient, weights[k])
            for j in range(vector.shape[0]):
                own.inputs[at, j] = own.inputs[at, j] * shrink - size * gradient[j]


@kernel_inner_sums
def step_away(own, rates, user, codes, steps, n_codes, row, weight, generation, vector, scratch):
    """One step of logistic regression away from item `row`: loss = weight log(1 + exp(query . item)).

    As a negative of `step` the item would only be moved by chance; the user's own factors move here as well.
    Working memory: vector float32 [F], overwritten with the query, and scratch.
    """
    gradient = scratch.gradient
    query_vector(own, rates, user, codes, steps, n_codes, generation, vector, scratch.shares)
    score = dot(own.items, row, vector)
    error = np.float32(weight) / (np.float32(1.0) + np.exp(-score))
    for j in range(vector.shape[0]):
        gradient[j] = error * own.items[row, j]
    shrink = np.float32(1.0 - rates.learning_rate * rates.regularisation)
    size = _step(rates, own.item_squares, row, vector, error)
    for j in range(vector.shape[0]):
        own.items[row, j] = own.items[row, j] * shrink - size * vector[j]
    own.dirty[row] = True
    size = _step(rates, own.user_squares, user, gradient, np.float32(1.0))
    for j in range(vector.shape[0]):
        own.users[user, j] = own.users[user, j] * shrink - size * gradient[j]


@kernel
def observe(own, rates, code):
    """Remember the event as a future negative, and let its tags follow the item."""
    own.recent[own.n_recent[0] % own.recent.shape[0]] = code
    own.n_recent[0] += 1
    row = code & ROW_MASK
    rate = np.float32(rates.tag_rate)
    for t in range(own.tags.shape[1]):
        tag = own.tags[row, t]
        if tag > 0:
            for j in range(own.items.shape[1]):
                own.tag_items[tag, j] += rate * (own.items[row, j] - own.tag_items[tag, j])
                own.tag_inputs[tag, j] += rate * (own.inputs[row, j] - own.tag_inputs[tag, j])


@kernel_inner
def learn(state, query, rates, event):
    """A step towards the item if the session does not hold it yet; every event is a negative of later ones."""
    own = state.factors
    if event.is_new and state.histories.n_events[event.user] > 0:
        step(
            own,
            rates.factors,
            event.user,
            query.session_codes,
            query.session_steps,
            query.n_session[0],
            event.item,
            event.seed,
            state.generation,
            query.vector,
            query.factors,
        )
    observe(own, rates.factors, event.code)


@kernel_inner
def reject(state, query, rates, event):
    """A step away from the item."""
    if event.weight > 0.0:
        step_away(
            state.factors,
            rates.factors,
            event.user,
            query.session_codes,
            query.session_steps,
            query.n_session[0],
            event.item,
            event.weight,
            state.generation,
            query.vector,
            query.factors,
        )


@kernel_inner
def enter_item(state, rates, row, seed):
    """A new item's first factors."""
    initialise_item(state.factors, rates.factors, row, seed)


@kernel_inner
def evict_user(state, user):
    """Another user gets the row."""
    clear_user(state.factors, user)


@kernel_inner
def read_vector(state, query, rates):
    """Fill query.vector from the context; False = there is nothing to go by."""
    return query_vector(
        state.factors,
        rates.factors,
        query.user[0],
        query.session_codes,
        query.session_steps,
        query.n_session[0],
        state.generation,
        query.vector,
        query.factors.shares,
    )


@kernel
def propose(state, query, rates):
    """What the vector index found; the newest item of the session that still exists is the reason."""
    because = NO_CODE
    for i in range(query.n_session[0]):
        if is_current(query.session_codes[i], state.generation):
            because = query.session_codes[i]
            break
    for i in range(query.indexed.shape[0]):
        if query.indexed[i] >= 0:
            candidate(state, query, code_of(query.indexed[i], state.generation), because, 0)


@kernel
def describe(state, query, rates):
    """Every candidate's product with the query."""
    if query.has_vector[0]:
        for c in range(query.n_candidates[0]):
            row = query.codes[c] & ROW_MASK
            query.features[VECTOR, c] = dot(state.factors.items, row, query.vector)

"""Online factorization with sampled softmax and row-wise Adagrad."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.codes import ROW_MASK, is_current
from stream_rec.kernels.compile import kernel, kernel_sums
from stream_rec.kernels.ids import uniform, unit


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

    users: NDArray[np.float32]
    user_squares: NDArray[np.float32]
    inputs: NDArray[np.float32]
    input_squares: NDArray[np.float32]
    items: NDArray[np.float32]
    item_squares: NDArray[np.float32]
    recent: NDArray[np.int32]
    n_recent: NDArray[np.int64]
    dirty: NDArray[np.bool_]
    tag_items: NDArray[np.float32]
    tag_inputs: NDArray[np.float32]
    tags: NDArray[np.int32]


class FactorRates(NamedTuple):
    """What stays the same while learning."""

    learning_rate: float
    regularisation: float
    n_negatives: int
    step_decay: float
    session_items: int
    initial_scale: float
    tag_rate: float


@kernel
def initialise_item(f, rates, row, seed):
    """Random factors in +-initial_scale, a function of the seed; no tags."""
    for j in range(f.items.shape[1]):
        f.items[row, j] = np.float32(rates.initial_scale * (2.0 * unit(uniform(seed, 2 * j)) - 1.0))
        f.inputs[row, j] = np.float32(rates.initial_scale * (2.0 * unit(uniform(seed, 2 * j + 1)) - 1.0))
    f.item_squares[row] = np.float32(0.0)
    f.input_squares[row] = np.float32(0.0)
    f.tags[row, :] = 0
    f.dirty[row] = True


@kernel
def set_tags(f, row, tags):
    """Hashed tags of an item, int32 [m]."""
    for t in range(f.tags.shape[1]):
        f.tags[row, t] = tags[t]


@kernel
def place_by_tags(f, row):
    """Add the mean of the tags' factors: where items with these tags stand."""
    n = 0
    for t in range(f.tags.shape[1]):
        if f.tags[row, t] > 0:
            n += 1
    for t in range(f.tags.shape[1]):
        tag = f.tags[row, t]
        if tag > 0:
            for j in range(f.items.shape[1]):
                f.items[row, j] += f.tag_items[tag, j] / np.float32(n)
                f.inputs[row, j] += f.tag_inputs[tag, j] / np.float32(n)
    f.dirty[row] = True


@kernel
def clear_user(f, user):
    """Forget a user."""
    f.users[user, :] = np.float32(0.0)
    f.user_squares[user] = np.float32(0.0)


@kernel
def query_vector(f, rates, user, codes, steps, n_codes, generation, out, weights):
    """The query, out float32 [F] = user factors + recency-weighted mean of the session items' input factors.

    weights float32 [>= session_items] is filled with each session item's share (0 for a stale code).

    Returns:
        False when there is nothing to go by (a stranger without a session): out is zero.
    """
    for j in range(out.shape[0]):
        out[j] = f.users[user, j] if user >= 0 else np.float32(0.0)
    total = np.float32(0.0)
    n = min(n_codes, rates.session_items)
    for k in range(n):
        w = np.float32(rates.step_decay ** steps[k]) if is_current(codes[k], generation) else np.float32(0.0)
        weights[k] = w
        total += w
    if total == np.float32(0.0):
        return user >= 0 and f.user_squares[user] > np.float32(0.0)
    for k in range(n):
        weights[k] /= total
        if weights[k] > np.float32(0.0):
            row = codes[k] & ROW_MASK
            for j in range(out.shape[0]):
                out[j] += weights[k] * f.inputs[row, j]
    return True


@kernel_sums
def dot(a, row, v):
    """a[row] . v in float32."""
    total = np.float32(0.0)
    for j in range(v.shape[0]):
        total += a[row, j] * v[j]
    return total


@kernel_sums
def _step(rates, squares, row, gradient, scale):
    """Row-wise Adagrad: the step for a gradient of scale * gradient; adds its mean square to squares[row]."""
    total = np.float32(0.0)
    for j in range(gradient.shape[0]):
        total += gradient[j] * gradient[j]
    squares[row] += scale * scale * total / np.float32(gradient.shape[0])
    return np.float32(rates.learning_rate) * scale / np.sqrt(squares[row] + np.float32(1e-6))


@kernel_sums
def learn(f, rates, user, codes, steps, n_codes, row, seed, generation, v, weights, gradient, picks, errors):
    """One step of sampled softmax towards item `row` (Jean et al., ACL 2015; Adagrad: Duchi et al., JMLR 2011).

    Negatives are drawn from the most recent events, so an item is pushed down as often as it is current.
    v, gradient float32 [F], weights float32 [session_items], picks int32 and errors float32 [n_negatives + 1] are
    working memory.
    """
    query_vector(f, rates, user, codes, steps, n_codes, generation, v, weights)
    held = min(f.n_recent[0], f.recent.shape[0])
    picks[0] = row
    n = 1
    for i in range(rates.n_negatives):
        if held == 0:
            break
        code = f.recent[np.int64(uniform(seed, i) % np.uint64(held))]
        if is_current(code, generation) and (code & ROW_MASK) != row:
            picks[n] = code & ROW_MASK
            n += 1
    top = np.float32(-1e30)
    for i in range(n):
        errors[i] = dot(f.items, picks[i], v)
        top = max(top, errors[i])
    total = np.float32(0.0)
    for i in range(n):
        errors[i] = np.exp(errors[i] - top)
        total += errors[i]
    gradient[:] = np.float32(0.0)
    for i in range(n):
        errors[i] = errors[i] / total - (np.float32(1.0) if i == 0 else np.float32(0.0))
        for j in range(v.shape[0]):
            gradient[j] += errors[i] * f.items[picks[i], j]
    shrink = np.float32(1.0 - rates.learning_rate * rates.regularisation)
    for i in range(n):
        step = _step(rates, f.item_squares, picks[i], v, errors[i])
        for j in range(v.shape[0]):
            f.items[picks[i], j] = f.items[picks[i], j] * shrink - step * v[j]
    f.dirty[row] = True
    step = _step(rates, f.user_squares, user, gradient, np.float32(1.0))
    for j in range(v.shape[0]):
        f.users[user, j] = f.users[user, j] * shrink - step * gradient[j]
    for k in range(min(n_codes, rates.session_items)):
        if weights[k] > np.float32(0.0):
            at = codes[k] & ROW_MASK
            step = _step(rates, f.input_squares, at, gradient, weights[k])
            for j in range(v.shape[0]):
                f.inputs[at, j] = f.inputs[at, j] * shrink - step * gradient[j]


@kernel
def observe(f, rates, code):
    """Remember the event as a future negative, and let its tags follow the item."""
    f.recent[f.n_recent[0] % f.recent.shape[0]] = code
    f.n_recent[0] += 1
    row = code & ROW_MASK
    rate = np.float32(rates.tag_rate)
    for t in range(f.tags.shape[1]):
        tag = f.tags[row, t]
        if tag > 0:
            for j in range(f.items.shape[1]):
                f.tag_items[tag, j] += rate * (f.items[row, j] - f.tag_items[tag, j])
                f.tag_inputs[tag, j] += rate * (f.inputs[row, j] - f.tag_inputs[tag, j])

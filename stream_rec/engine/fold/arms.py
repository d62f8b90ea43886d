"""Test, then train, for the ranker of an arm: on the candidates and features that the engine's own is judged by."""

from __future__ import annotations

from stream_rec.engine.fold import judge, reject
from stream_rec.engine.fold.learn import begins_session, item_of, user_of
from stream_rec.kernels import candidates
from stream_rec.kernels.codes import code_of
from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.sources import registry


@kernel
def gather_again(handle, events, i, indexed, has_vector):
    """Candidates and features for event i of a batch (a reference), from what these rates hear.

    The query was prepared for the event, and has since been filled by what others hear.
    """
    state, query, rates = handle.state, handle.query, handle.rates
    user = user_of(state, events, i)
    candidates.read_context(state, query, user, begins_session(state, rates, events, i, user))
    registry.gather(state, query, rates, indexed, has_vector)


@kernel_inner
def _judge(state, query, rates, item, user_hash):
    judge.score(state, query, rates)
    target = candidates.index_of(query, code_of(item, state.generation)) if item >= 0 else -1
    if target < 0:
        return 0
    reject.mark_blocked(state, query, user_hash, True)
    judge.compete(state, query, target)
    reject.mark_blocked(state, query, user_hash, False)
    rank = judge.rank_of(query, query.scores, target)
    judge.train(state, query, rates, target)
    return rank


@kernel
def judge_arm(handle, events, i):
    """Let an arm's ranker judge event i, which is not learned yet, and learn from it.

    Args:
        handle: state, whose ranker is the arm's and is trained, all else read; query, as `gather_again` left it; rates,
            the arm's.
        events: the batch, a reference.
        i: of the event.

    Returns:
        As `PrequentialRanks.rank`: 0 = the item is no candidate.
    """
    state, query, rates = handle.state, handle.query, handle.rates
    return _judge(state, query, rates, item_of(state, events, i), events.user_hashes[i])

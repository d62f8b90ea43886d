"""The session and the history speak for their own items."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from stream_rec.kernels.codes import ROW_MASK
from stream_rec.sources.session import COUNT, IN_PAST, IN_SESSION, IS_LAST, RETURNS, STEPS
from tests.contract.sources import SourceContract
from tests.oracles.histories import SlowHistories
from tests.sources.making import batch, clicks


class TestSession(SourceContract):
    name = "session"

    def assert_equals_twin(self, seed: int) -> None:
        """By where each item stands in lists of every event."""
        stream = clicks(seed, 150, users=6, items=20, pause=4000.0)
        e = self.alone()
        e.learn(batch(stream))
        slow = SlowHistories(e.settings.history_length, e.settings.session_gap_seconds)
        for c in stream:
            slow.append(c.user, c.item, c.ts)
        items = list(dict.fromkeys(c.item for c in stream))
        for row, user in enumerate(dict.fromkeys(c.user for c in stream)):
            query = self.asked(e, row)
            n = int(query.n_candidates[0])
            at = {items[int(c) & ROW_MASK]: i for i, c in enumerate(query.codes[:n])}
            session, past = slow.session(user), slow.past(user)
            expected = np.zeros((n, 6))
            n_events = sum(seen.count for seen in session)
            returns = (n_events - len(session) + 1) / (n_events + 3)
            for k, seen in enumerate(session):
                own = 1 / (1 + seen.steps), seen.count**0.5 - 1, k == 0, returns, np.log1p(seen.steps) / 3
                expected[at[seen.item], :5] = own
            for seen in past:
                expected[at[seen.item], 5] = (1 + seen.steps) ** -0.5
            features = [IN_SESSION, COUNT, IS_LAST, RETURNS, STEPS, IN_PAST]
            assert_allclose(query.features[features, :n].T, expected, atol=1e-6)

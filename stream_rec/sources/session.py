"""The session and the history themselves: people return to items.

It proposes the items of the session and of the long history, and says where and how often they stand there, and how
many of the session's events were returns. It learns nothing of its own: histories are everybody's.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.candidates import candidate
from stream_rec.kernels.compile import kernel
from stream_rec.sources.features import number_of

IN_SESSION, COUNT, IS_LAST, IN_PAST, RETURNS, STEPS = (
    number_of(name) for name in ("in_session", "count", "is_last", "in_past", "returns", "steps")
)


@kernel
def propose(state, query, rates):
    """By how many events ago an item was last there, how often in the session, and whether this one returns at all."""
    n_events = 0
    for i in range(query.n_session[0]):
        n_events += query.session_counts[i]
    returns = np.float32(n_events - query.n_session[0] + 1) / np.float32(n_events + 3)
    for i in range(query.n_session[0]):
        c = candidate(state, query, query.session_codes[i], query.session_codes[i], 1)
        if c >= 0:
            query.features[IN_SESSION, c] = np.float32(1.0) / np.float32(1 + query.session_steps[i])
            query.features[COUNT, c] = np.sqrt(np.float32(query.session_counts[i])) - np.float32(1.0)
            query.features[RETURNS, c] = returns
            query.features[STEPS, c] = np.log(np.float32(1 + query.session_steps[i])) / np.float32(3.0)
            if i == 0:
                query.features[IS_LAST, c] = np.float32(1.0)
    for i in range(query.n_past[0]):
        c = candidate(state, query, query.past_codes[i], query.past_codes[i], 1)
        if c >= 0:
            query.features[IN_PAST, c] = np.float32(1.0) / np.sqrt(np.float32(1 + query.past_steps[i]))

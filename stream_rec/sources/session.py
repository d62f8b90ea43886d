"""The session and the history themselves: people return to items.

It proposes the items of the session and of the long history, and says where and how often they stand there. It learns
nothing of its own: histories are everybody's.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.candidates import candidate
from stream_rec.kernels.compile import kernel
from stream_rec.sources.features import number_of

IN_SESSION, COUNT, IS_LAST, IN_PAST = (
    number_of(name) for name in ("in_session", "count", "is_last", "in_past")
)


@kernel
def propose(state, query, rates):
    """By how many events ago an item was last there, and how often in the session."""
    for i in range(query.n_session[0]):
        c = candidate(state, query, query.session_codes[i], query.session_codes[i], 1)
        if c >= 0:
            query.features[IN_SESSION, c] = np.float32(1.0) / np.float32(1 + query.session_steps[i])
            query.features[COUNT, c] = np.sqrt(np.float32(query.session_counts[i])) - np.float32(1.0)
            if i == 0:
                query.features[IS_LAST, c] = np.float32(1.0)
    for i in range(query.n_past[0]):
        c = candidate(state, query, query.past_codes[i], query.past_codes[i], 1)
        if c >= 0:
            query.features[IN_PAST, c] = np.float32(1.0) / np.sqrt(np.float32(1 + query.past_steps[i]))

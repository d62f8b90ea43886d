"""A log as batches, and parts of a batch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from stream_rec.offline.evaluate.events import batches, part
from tests.offline.evaluate.worlds import sessions

LOG = sessions(1, 20)


def test_batches_hold_the_rows_in_order_at_consecutive_offsets() -> None:
    made = list(batches(LOG, size=7, start=100, partition=3))
    assert [item for batch in made for item in batch.items.to_list()] == LOG["item_id"].to_list()
    assert np.concatenate([batch.offsets for batch in made]).tolist() == list(range(100, 100 + len(LOG)))
    assert {batch.span.partition for batch in made} == {3}
    assert all(a.span.next == b.span.start for a, b in pairwise(made))


@pytest.mark.parametrize(("first", "last"), [(0, 5), (5, 9), (9, 10), (0, 10), (4, 4), (0, 0)])
def test_a_part_is_the_batch_of_those_rows(first: int, last: int) -> None:
    (whole,) = batches(LOG.head(10), size=10, start=40)
    got = part(whole, first, last)
    assert (got.span.start, got.span.next) == (40 + first, 40 + last)
    assert got.offsets.tolist() == list(range(40 + first, 40 + last))
    rows = LOG[first:last]
    assert got.users.to_list() == rows["user_id"].to_list()
    assert got.items.to_list() == rows["item_id"].to_list()
    assert got.sessions.to_list() == rows["session_id"].to_list()
    assert got.ts.tolist() == rows["ts"].to_list()
    assert list(got.event_types) == rows["event_type"].to_list()
    assert len(got.values) == len(got.broker_ts) == len(got.event_ids.ends) == last - first

"""Records that are left out: their place in the log stays."""

from __future__ import annotations

import pytest

from stream_rec.bus.batch import Fetched
from stream_rec.bus.skips import learned_before, leave_out, merged, noted
from stream_rec.errors import ConfigError
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import load

BATCH = Fetched("events", 3, 1, 10, 16, [b"k"] * 5, [b"v"] * 5, [10, 11, 13, 14, 15], [1, 2, 3, 4, 5])


def test_both_ends_of_a_range_are_left_out_and_the_span_stays() -> None:
    left, gone = leave_out(BATCH, ("events/3:11-13", "events/2:10-99", "items/3:15"))
    assert left.offsets == [10, 14, 15]
    assert left.timestamps == [1, 4, 5]
    assert gone == [(11, 2), (13, 3)]
    assert left.span() == BATCH.span()


def test_a_batch_may_be_left_out_whole_and_others_are_not_touched() -> None:
    left, gone = leave_out(BATCH, ("events/3:0-99",))
    assert (len(left), left.span(), len(gone)) == (0, BATCH.span(), 5)
    assert leave_out(BATCH, ("events/3:16-20", "events/3:9"))[0] is BATCH


def test_a_state_has_learned_of_a_range_that_it_passed_without_knowing_it() -> None:
    position = {TopicPartition("events", 3): 12}
    assert learned_before(("events/3:11-20", "events/3:12-20", "events/1:0"), (), position) == [
        "events/3:11-20"
    ]
    assert learned_before(("events/3:11-20",), ("events/3:5-30",), position) == []


def test_what_was_left_out_once_is_not_forgotten() -> None:
    assert merged(("events/3:1",), noted({"skipped": ["events/1:7", "events/3:1"]})) == (
        "events/1:7",
        "events/3:1",
    )
    assert noted({}) == ()


@pytest.mark.parametrize(
    "text", ["events/3", "events/3:9-8", "metrics/0:1", "events/-1:3", "events/3:1-2-3", ""]
)
def test_a_range_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"events/3:1000-2000"):
        load(flags=[f'ingest.skip=["{text}"]'], environment={})

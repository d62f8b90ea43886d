"""A judged rank may be as good as the place in a blind slate, and no better."""

from __future__ import annotations

import pytest

from stream_rec.offline.evaluate.blind import BlindCheck, LeakError

SLATE = ["a", "b", "c", "d"]
SCORES = [4.0, 3.0, 3.0, 1.0]


@pytest.mark.parametrize(
    ("target", "rank", "better", "worse"),
    [
        ("a", 1, 0, 0),
        ("a", 2, 0, 1),
        ("b", 1, 1, 0),
        ("b", 2, 0, 0),
        ("c", 3, 0, 0),
        ("d", 4, 0, 0),
        ("d", 3, 1, 0),
        ("d", 9, 0, 0),
        ("d", 0, 0, 1),
        ("elsewhere", 5, 0, 0),
        ("elsewhere", 4, 0, 0),
        ("elsewhere", 3, 1, 0),
        ("elsewhere", 1, 1, 0),
        ("elsewhere", 0, 0, 0),
    ],
)
def test_one_query(target: str, rank: int, better: int, worse: int) -> None:
    check = BlindCheck()
    check.compare(target, rank, SLATE, SCORES)
    assert (check.n_compared, check.n_better, check.n_worse) == (1, better, worse)


def test_scores_that_differ_by_rounding_are_ties() -> None:
    check = BlindCheck()
    check.compare("b", 1, ["a", "b"], [3.0000001, 3.0])
    assert check.n_better == 0


def test_one_rank_too_good_condemns_the_run() -> None:
    check = BlindCheck()
    check.compare("a", 1, SLATE, SCORES)
    check.verdict()
    check.compare("d", 1, SLATE, SCORES)
    with pytest.raises(LeakError, match="1 of 2"):
        check.verdict()

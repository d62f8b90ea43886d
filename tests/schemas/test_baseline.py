"""What a record `baseline/<metric>` may say: every mistake is named, and what its state says is not judged."""

from __future__ import annotations

from typing import Any

import pytest

from stream_rec.schemas.baseline import MAX_STATE, BadBaseline, Baseline, baseline_of

GOOD: dict[str, Any] = {"version": 7, "values": 60_000, "state": "eJw="}


def test_a_later_version_is_a_baseline_too() -> None:
    assert baseline_of(GOOD) == Baseline(7, 60_000, "eJw=")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({**GOOD, "version": 0}, "version"),
        ({**GOOD, "values": -1}, "values"),
        ({**GOOD, "values": 1.5}, "values"),
        ({**GOOD, "state": ""}, "state"),
        ({**GOOD, "state": "x" * (MAX_STATE + 1)}, "state"),
        ({**GOOD, "statte": "x"}, "statte"),
        ({"version": 1, "values": 1}, "state"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], said: str) -> None:
    with pytest.raises(BadBaseline) as refused:
        baseline_of(body)
    assert said in str(refused.value)

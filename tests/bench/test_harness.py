"""What benches share: turns, medians, figures for people."""

from __future__ import annotations

import pytest

from stream_rec.bench.harness import calibration_ms, in_turns, medians, shown
from stream_rec.serve.freshness_probe import percentile


def test_arms_take_turns() -> None:
    order: list[str] = []

    def arm(name: str) -> dict[str, float]:
        order.append(name)
        return {"runs": len(order)}

    results = in_turns({"a": lambda: arm("a"), "b": lambda: arm("b")}, 2, lambda _: None)
    assert order == ["a", "b", "a", "b"]
    assert results["b"] == [{"runs": 2}, {"runs": 4}]


def test_the_median_is_taken_of_each_figure() -> None:
    runs = [{"x": 1.0, "y": 9.0}, {"x": 3.0, "y": 8.0}, {"x": 2.0, "y": 7.0}]
    assert medians(runs) == {"x": 2.0, "y": 8.0}


def test_runs_with_different_figures_have_no_median() -> None:
    with pytest.raises(ValueError, match="same keys"):
        medians([{"x": 1.0}, {"y": 1.0}])


def test_a_percentile_is_one_of_the_values() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.99) == 5.0
    assert percentile(values, 0.0) == 1.0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.04885, "0.04885"), (1234.56, "1,235"), (250_000.4, "250,000"), ("globo", "globo")],
)
def test_figures_are_written_in_an_ordinary_way(value: float | str, text: str) -> None:
    assert shown(value) == text


def test_the_calibration_kernel_takes_some_time() -> None:
    assert calibration_ms() > 0

"""How much is sent to Redis at once."""

from __future__ import annotations

from structlog.testing import capture_logs

from stream_rec.store.portion import Portion


def test_it_is_halved_down_to_one_key() -> None:
    portion = Portion(5, 1.0)
    with capture_logs() as said:
        for expected in (2, 1, 1):
            portion.too_slow(portion.keys)
            assert portion.keys == expected
    assert [line["keys"] for line in said] == [2, 1]


def test_pipelines_in_flight_at_the_same_time_halve_it_once() -> None:
    portion = Portion(64, 1.0)
    for _ in range(3):
        portion.too_slow(64)
    assert portion.keys == 32


def test_it_grows_back_while_there_is_time_to_spare() -> None:
    portion = Portion(100, 1.0)
    for _ in range(10):
        portion.too_slow(portion.keys)
    portion.went_through(0.3)
    assert portion.keys == 1, "twice as much might take too long"
    grown = []
    for _ in range(8):
        portion.went_through(0.2)
        grown.append(portion.keys)
    assert grown == [2, 4, 8, 16, 32, 64, 100, 100], "an outage does not slow down what comes after it"

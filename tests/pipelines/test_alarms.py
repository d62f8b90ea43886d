"""Which messages of `control` start a training."""

from __future__ import annotations

import json
from typing import Any

from stream_rec.clock import ManualClock
from stream_rec.pipelines.alarms import raised

NOW = 1_700_000_000.0
BODY = {
    "metric": "ctr.home",
    "direction": "drop",
    "since": NOW,
    "level": 0.2,
    "normal": 0.3,
    "until": NOW + 60,
}


class Message:
    """As confluent_kafka gives them: it lets nobody make one."""

    def __init__(self, key: str, value: dict[str, Any] | None) -> None:
        self._key, self._value = key.encode(), None if value is None else json.dumps(value).encode()

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def offset(self) -> int:
        return 7

    def partition(self) -> int:
        return 0

    def timestamp(self) -> tuple[int, int]:
        return 1, int(NOW * 1000)


def found(*, later: float = 0.0, metrics: tuple[str, ...] = ("ctr",)) -> dict[str, Any] | None:
    record = {"kind": "alarm", "name": "ctr.home", "ts": NOW, "body": BODY}
    return raised(Message("alarm/ctr.home", record), metrics, ManualClock(NOW + later))


def test_an_alarm_in_force_of_one_of_the_metrics_starts_one() -> None:
    told = found()
    assert told is not None
    assert told["metric"] == "ctr.home"


def test_an_alarm_of_another_metric_or_one_that_is_over_starts_none() -> None:
    assert found(metrics=("served_hit_rate",)) is None
    assert found(later=61.0) is None


def test_what_is_no_alarm_starts_none() -> None:
    assert raised(Message("alarm/ctr.home", None), ("ctr",), ManualClock(NOW)) is None
    assert raised(Message("alarm/ctr.home", {"kind": "alarm"}), ("ctr",), ManualClock(NOW)) is None
    scenario = {"kind": "scenario", "name": "home", "ts": NOW, "body": {"logic": "popular"}}
    assert raised(Message("scenario/home", scenario), ("ctr",), ManualClock(NOW)) is None

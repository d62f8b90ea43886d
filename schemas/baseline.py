"""What is normal for a metric: the body of a record `baseline/<metric>` on the topic `control`.

Workers learn for weeks what is normal at which hour of the week (docs/alarms.md), and must not lose it with a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from stream_rec.schemas.faults import BadBody, Fault, between, of_type
from stream_rec.schemas.scenario import Rule

MAX_STATE = 1 << 16
"""Characters."""


class BadBaseline(BadBody):
    """A baseline with mistakes."""


class Baseline(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a worker has learned of a metric.

    Attributes:
        version: of `state`; workers that have another pass it over.
        values: so many were seen, by the worker and by those from whom it has it.
        state: of its test, as text (`feedback/baselines.py`).
    """

    version: int
    values: int
    state: str


def baseline_of(body: Mapping[str, Any]) -> Baseline:
    """A baseline from parsed JSON; what its state says is not judged.

    Raises:
        BadBaseline: with every mistake of its values, or the first of its types.
    """
    try:
        baseline = msgspec.convert(body, Baseline)
    except msgspec.ValidationError as error:
        raise BadBaseline([of_type(error, lambda _: Baseline)]) from None
    faults: list[Fault] = []
    faults.extend(between(("version",), baseline.version, 1, 1 << 31))
    faults.extend(between(("values",), baseline.values, 0, 1 << 53))
    faults.extend(between(("state",), len(baseline.state), 1, MAX_STATE))
    if faults:
        raise BadBaseline(faults)
    return baseline

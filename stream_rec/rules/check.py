"""What is wrong with a scenario's expressions, by field; what is wrong with the rest, `schemas.scenario_check` says."""

from __future__ import annotations

from collections.abc import Iterator

from stream_rec.rules.expressions import BadExpression, check
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.scenario_check import Fault, Path


def faults(scenario: Scenario) -> list[Fault]:
    """Every expression that cannot be compiled, or does not give what is wanted of it."""
    return [*_faults(scenario)]


def _faults(scenario: Scenario) -> Iterator[Fault]:
    wanted: list[tuple[Path, str, type[bool] | type[float]]] = [
        (("filter",), scenario.filter, bool),
        (("order_by",), scenario.order_by, float),
    ]
    wanted += [(("boosts", i, "when"), boost.when, bool) for i, boost in enumerate(scenario.boosts)]
    wanted += [(("promotions", i, "when"), each.when, bool) for i, each in enumerate(scenario.promotions)]
    for path, text, kind in wanted:
        if not text.strip():
            continue
        try:
            check(text, kind)
        except BadExpression as error:
            yield Fault(path, error.said, error.fix, error.at)

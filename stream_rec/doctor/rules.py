"""Do the rules in force let anything through, and do items have what they ask for?"""

from __future__ import annotations

from collections.abc import Iterator

from stream_rec.clock import SystemClock
from stream_rec.doctor.finding import Finding
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.producers.scenarios.apply import Scenarios
from stream_rec.serve.rule_warnings import warnings
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader

_FIX = "correct the rule, or load items that have it; with attributes in a shape: docs/your-data.md"


def examine(settings: Settings) -> Iterator[Finding]:
    """Of the scenarios in force, what a worker has said of them in Redis."""
    if not settings.store.url or not settings.bus.bootstrap:
        yield Finding("ok", "without bus.bootstrap and store.url there are none in force")
        return
    try:
        yield from _look(settings)
    except (ConfigError, Unavailable) as error:
        yield Finding("warn", f"not looked at: {error}", "it is said above what is wrong with Kafka or Redis")


def _look(settings: Settings) -> Iterator[Finding]:
    now = SystemClock().now()
    versions = Scenarios(settings).in_force().items()
    in_force = {
        name: version.scenario
        for name, version in versions
        if version.scenario is not None and version.scenario.is_valid_at(now)
    }
    reader = Reader(settings.store)
    try:
        known, lists = reader.catalogue(), reader.scenario_lists(list(in_force))
    finally:
        reader.close()
    n_said = 0
    for (name, scenario), found in zip(in_force.items(), lists, strict=True):
        if found is not None and found.allowed == 0 and found.of > 0:
            n_said += 1
            what = (
                f"scenario {name}: its filter lets none of {found.of:,} items through: its slates are empty"
            )
            yield Finding(
                "warn", what, "correct it, or the catalogue; it asks for", f"stream-rec scenario show {name}"
            )
        for sentence in warnings({name: scenario}, known).get(name, ()):
            n_said += 1
            yield Finding("warn", f"scenario {name}, {sentence}", _FIX)
    if not n_said:
        yield Finding("ok", f"scenarios in force: {len(in_force)}; their rules let items through")

"""Scenarios in force, their history, and new ones for `control`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from stream_rec.bus.decisions import last_of_each, read_decisions
from stream_rec.clock import Clock, SystemClock
from stream_rec.errors import ConfigError
from stream_rec.producers.decisions.said import said_of, who
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.decisions import SCENARIO, Decision
from stream_rec.schemas.faults import did_you_mean
from stream_rec.schemas.records import Control
from stream_rec.schemas.scenario import Scenario, of_settings
from stream_rec.schemas.topics import Ack
from stream_rec.settings import Settings


@dataclass(frozen=True, slots=True)
class Version:
    """One record about a scenario.

    Attributes:
        offset: on `control`; -1 = none, it is the settings'.
        ts: when it was decided, seconds since the epoch.
        by: who decided it.
        note: why.
        scenario: what it is since then; None = taken back.
    """

    offset: int
    ts: float
    by: str
    note: str
    scenario: Scenario | None


class Scenarios:
    """The scenarios of a tenant.

    Args:
        settings: addresses, and the scenarios that are in force until a record overrides them.
        clock: stamps what is decided.
        by: who decides; empty = the user of this process.

    Raises:
        ConfigError, Unavailable: as `read_decisions`.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None, *, by: str = "") -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._by = by or who()
        decisions = read_decisions(settings.bus, settings.ingest)
        self._records = [each for each in decisions if each.kind == SCENARIO]
        self._last = last_of_each(self._records)

    def in_force(self) -> dict[str, Version]:
        """By name: those of the settings that no record overrides, and those of the records."""
        found = {
            name: Version(-1, 0.0, "", "settings", of_settings(each))
            for name, each in self._settings.engine.scenarios.items()
        }
        return found | {name: _version(record) for (_, name), record in self._last.items()}

    def one(self, name: str) -> Version:
        """One that is in force.

        Raises:
            ConfigError: there is none of this name.
        """
        found = self.in_force()
        if name not in found:
            raise ConfigError(
                f"no scenario is called {name!r}",
                fix=did_you_mean(name, sorted(found)) or "`stream-rec scenario list`",
            )
        return found[name]

    def history(self, name: str) -> list[Version]:
        """What it was, oldest first, as far as the log has it.

        Raises:
            ConfigError: there was never one of this name.
        """
        versions = [_version(record) for record in self._records if record.name == name]
        if name in self._settings.engine.scenarios:
            versions.insert(
                0, Version(-1, 0.0, "", "settings", of_settings(self._settings.engine.scenarios[name]))
            )
        if not versions:
            known = sorted({*self._settings.engine.scenarios, *(record.name for record in self._records)})
            raise ConfigError(f"no scenario is or was called {name!r}", fix=did_you_mean(name, known))
        return versions

    def changed(self, wanted: Mapping[str, Scenario]) -> Iterator[tuple[str, Scenario | None, Scenario]]:
        """Name, present and wanted state of those that differ from what is in force."""
        found = self.in_force()
        for name, scenario in wanted.items():
            now = found[name].scenario if name in found else None
            if now != scenario:
                yield name, now, scenario

    def apply(self, wanted: Mapping[str, Scenario], note: str = "") -> list[Ack]:
        """Publish these; where each record stands, in their order.

        Raises:
            ContractError, Unavailable, ConfigError: as `Publisher.publish`.
        """
        records = [
            self._record(name, msgspec.to_builtins(scenario), note) for name, scenario in wanted.items()
        ]
        with Publisher(self._settings.bus, self._settings.ingest) as publisher:
            return publisher.publish_all(records)

    def take_back(self, name: str) -> Ack:
        """Publish that a record of this name is no more; the settings' scenario is in force again, if there is one.

        Raises:
            ConfigError: no record has this name; else as `apply`.
        """
        if (SCENARIO, name) not in self._last:
            of_settings = name in self._settings.engine.scenarios
            fix = (
                "take it out of engine.scenarios, or turn it off: on = false"
                if of_settings
                else "`stream-rec scenario list`"
            )
            raise ConfigError(f"no record says what scenario {name!r} is", fix=fix)
        with Publisher(self._settings.bus, self._settings.ingest) as publisher:
            return publisher.take_back(SCENARIO, name)

    def version_before(self, name: str, offset: int | None) -> Version:
        """What a scenario can be rolled back to: the version of this offset, or the one before the present one.

        Raises:
            ConfigError: the log has none.
        """
        versions = self.history(name)
        if offset is not None:
            found = [each for each in versions if each.offset == offset]
        else:
            present = versions[-1].scenario
            found = [each for each in versions[:-1] if each.scenario != present][-1:]
        if not found:
            raise ConfigError(
                f"no such version of {name} is in the log", fix=f"`stream-rec scenario history {name}`"
            )
        return found[0]

    def _record(self, name: str, body: Any, note: str) -> Control:
        return Control(SCENARIO, name, self._clock.now(), body, by=self._by, note=note)


def _version(record: Decision) -> Version:
    scenario = record.body if isinstance(record.body, Scenario) else None
    said = said_of(record)
    return Version(record.offset, said.ts, said.by, said.note, scenario)

"""What was decided on the topic `control`: the scenarios in force, and who was forgotten since when.

Rules change slates and nothing that is learned. An erasure changes what is learned, and must do the same on every
replica, whatever order it met the records in: so it is a moment in a table by user. An event or impression that the
broker took, or that happened, before that moment is not learned, whenever it comes. A merge is a moment, too: an event
of the visitor from before it is learned as the user's. All kinds stand in one file, since one fold takes them in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.engine.steering.alarms import Alarms, stood_in, widened
from stream_rec.engine.steering.pacing import Pacing
from stream_rec.engine.steering.trials import Trials, changes_scenarios, experiment_of, is_variant, shipped
from stream_rec.errors import ConfigError, ContractError
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.alarm import Alarm
from stream_rec.schemas.baseline import Baseline
from stream_rec.schemas.columns import EventBatch, IdColumn, ImpressionBatch
from stream_rec.schemas.decisions import (
    ALARM,
    BASELINE,
    ERASURE,
    EXPERIMENT,
    SCENARIO,
    Body,
    Decision,
    body_of,
)
from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.scenario import Scenario, of_settings
from stream_rec.settings import EngineSettings, IngestSettings

MARGIN_MS = 5_000
"""What comes so soon after an erasure counts as before it: a replica that is a moment behind on `control` learns the
same as one that is not."""
MAX_KEPT = 1024
"""Decisions that are kept as they were, at most: of scenarios, of experiments, and of kinds that are unknown here."""
MAX_SCENARIOS = 64
"""Scenarios in force, those of the settings included."""


class Changed(NamedTuple):
    """When a scenario last changed: offset on `control`, and the broker's timestamp in ms."""

    offset: int
    broker_ts: int


class Recorded(NamedTuple):
    """What is normal for a metric, as some worker has learned it.

    Attributes:
        offset: of the record.
        broker_ts: ms.
        baseline: what it says.
    """

    offset: int
    broker_ts: int
    baseline: Baseline


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    kind: str
    name: str
    offset: int
    broker_ts: int
    raw: bytes


class _Merged(msgspec.Struct, frozen=True, array_like=True):
    visitor: int
    user_id: str
    user: int
    until: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Kept]).decode
_decode_merged = msgspec.msgpack.Decoder(list[_Merged]).decode


class _Raw(msgspec.Struct, frozen=True):
    body: dict[str, Any] = {}


class Decisions:
    """What is in force. A function of the log; one of the engine's states.

    Args:
        settings: their scenarios are in force until a record overrides them; the bound of erasures.

    Attributes:
        scenarios: by name, those of the settings first. Whether one is on, it says itself.
        forgotten_upto: offset of the last erasure or merge; -1 = none. State from before it knows of users who are
            forgotten.
        pacing: how often promotions with a limit were shown.
        changed: scenarios that records have changed or removed; removals since this engine began. Of the last ones.
        experiments: by name, as the records have them.
        first_change: offset of the first record about a scenario since its rules were last compiled to the end (whoever
            compiles them says when, `settled`); among those of `changed`.
        tried: experiments whose records say who gets what otherwise than before; like `changed`.
        alarms: what has changed in the world, and is to be done about it.
        baselines: what is normal, by metric.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._of_settings = {name: of_settings(each) for name, each in settings.scenarios.items()}
        self._max_erased = settings.max_erased
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._erased: dict[int, int] = {}
        self._merged: dict[int, tuple[str, int, int]] = {}
        self._latest = -1
        self.forgotten_upto = -1
        self._said: set[str] = set()
        self._log = logs.get("learn")
        self.scenarios: Mapping[str, Scenario] = dict(self._of_settings)
        self.changed: dict[str, Changed] = {}
        self.first_change: dict[str, int] = {}
        self.experiments: Mapping[str, Experiment] = {}
        self.tried: dict[str, Changed] = {}
        self._trials = Trials(self.scenarios, {})
        self.pacing = Pacing()
        self.alarms = Alarms(MARGIN_MS)
        self.baselines: dict[str, Recorded] = {}

    def learn(self, decision: Decision) -> None:
        """Take in one decision of any kind but erasures and merges (`forget`, `merge`)."""
        key = (decision.kind, decision.name)
        if decision.kind not in (SCENARIO, EXPERIMENT, ALARM, BASELINE):
            self._say_unknown(decision.kind)
        if decision.body is None:
            self._kept.pop(key, None)
        elif key in self._kept or self._has_room(decision):
            self._kept[key] = _Kept(*key, decision.offset, decision.broker_ts, decision.raw)
        at = Changed(decision.offset, decision.broker_ts)
        if decision.kind == SCENARIO:
            self._note_change(decision.name, at)
            self._put_in_force()
        elif decision.kind == EXPERIMENT:
            self._try(decision.name, at)
        elif decision.kind == ALARM:
            self._warn(decision, at)
        elif decision.kind == BASELINE:
            self.baselines.pop(decision.name, None)
            self._note_baseline(self._kept.get(key))

    @property
    def trials(self) -> Trials:
        """The experiments among the scenarios in force."""
        if self._trials.base is not self.scenarios:
            self._trials = Trials(self.scenarios, self.experiments)
            for name, why in self._trials.left_out.items():
                self._say(
                    f"experiment {name}",
                    "an experiment serves nobody",
                    experiment=name,
                    why=why,
                    fix=f"stop another one, or `stream-rec experiment stop {name}` and apply it anew",
                )
        return self._trials

    def scenarios_of(self, experiment: str) -> tuple[str, ...]:
        """Names of the scenarios whose slates it changes; of one that was removed, all."""
        known = self.experiments.get(experiment)
        wanted = known.scenarios if known is not None else ()
        return tuple(name for name in self.scenarios if not wanted or name in wanted)

    def in_force(self, event_time: float) -> tuple[str, ...]:
        """Names of the scenarios that slates are written for, as of this time (seconds)."""
        return tuple(name for name, each in self.scenarios.items() if each.is_valid_at(event_time))

    def forget(self, user: int, broker_ts: int) -> None:
        """What was before this moment of a user (a hash) is not learned again, nor of visitors who became this user."""
        until = broker_ts + MARGIN_MS
        self._forget_visitors(user)
        if user in self._merged and (merged := self._merged[user][2]) <= until:
            del self._merged[user]
            self._erase(user, merged)
        self._erase(user, until)

    def _forget_visitors(self, user: int) -> None:
        """Those who became this user, or one of those: their records name them by id."""
        waiting = [user]
        while waiting:
            user = waiting.pop()
            for visitor in [each for each, (_, became, _) in self._merged.items() if became == user]:
                self._erase(visitor, self._merged.pop(visitor)[2])
                waiting.append(visitor)

    def merge(self, visitor: int, user: tuple[str, int], broker_ts: int) -> None:
        """What was before this moment of a visitor (a hash) is the user's (id and hash); of merges the latest count."""
        self._merged[visitor] = (*user, broker_ts + MARGIN_MS)
        self._latest = max(self._latest, self._merged[visitor][2])
        if len(self._merged) > self._max_erased:
            for oldest in _oldest({each: until for each, (_, _, until) in self._merged.items()}):
                self._erase(oldest, self._merged.pop(oldest)[2])
            self._say(
                "merges",
                "more visitors became users than are remembered: a replay would not teach what the oldest did before",
                kept=self._max_erased,
                fix="raise engine.max_erased above the number of merges within the retention of `events`",
            )

    def take_back(self, kind: str, user: int) -> None:
        """An erasure or a merge is taken back: what is replayed of this user or visitor (a hash) is learned again."""
        (self._erased if kind == ERASURE else self._merged).pop(user, None)
        self._note_latest()

    def past(
        self, users: NDArray[np.uint64], ts: NDArray[np.float64], broker_ts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], dict[int, str]]:
        """Which of n records are of a past that was decided about.

        Args:
            users: [n], hashes.
            ts: [n], seconds: when it happened.
            broker_ts: [n], ms: when the broker took it.

        Returns:
            int64 [m], ascending: what is forgotten; and by index, what is of a visitor who became a user: whose id.
        """
        earliest = np.minimum(ts * 1000, broker_ts)
        erased: list[int] = []
        renamed: dict[int, str] = {}
        for i in np.flatnonzero(earliest <= self._latest).tolist():
            is_erased, name = self._past_of(int(users[i]), int(earliest[i]))
            if is_erased:
                erased.append(i)
            elif name:
                renamed[i] = name
        return np.array(erased, np.int64), renamed

    def _past_of(self, user: int, when: int) -> tuple[bool, str]:
        """Is what a user (a hash) did at a moment (ms) forgotten; else whose it is now, "" = still the user's.

        Who became somebody may have become somebody else later: the history has gone along each time.
        """
        name, since = "", -1
        met: set[int] = set()
        while when > self._erased.get(user, -1):
            became = self._merged.get(user)
            if became is None or user in met or not max(when, since) <= became[2]:
                return False, name
            met.add(user)
            name, user, since = became
        return True, name

    def applied(
        self, batch: EventBatch, first: int
    ) -> tuple[EventBatch, NDArray[np.int64], NDArray[np.int64]]:
        """A batch with events of visitors who became users as these users'.

        Returns:
            The batch; int64 [m], ascending, the events from index `first` on that are forgotten; and all those of the
            batch that are forgotten or another's now.
        """
        if self._latest < 0:
            return batch, _NONE, _NONE
        erased, renamed = self.past(hash_ids(batch.users), batch.ts, batch.broker_ts)
        if renamed:
            users = [renamed.get(i, user) for i, user in enumerate(batch.users.to_list())]
            batch = replace(batch, users=IdColumn.of(users))
        past = np.sort(np.concatenate([erased, np.array(list(renamed), np.int64)]))
        return batch, erased[erased >= first], past

    def shown(self, batch: ImpressionBatch, first: int) -> ImpressionBatch:
        """A batch without the impressions, from index `first` on, of users who were forgotten or became others."""
        if self._latest < 0:
            return batch
        erased, renamed = self.past(hash_ids(batch.users), batch.ts, batch.broker_ts)
        gone = {i for i in (*erased.tolist(), *renamed) if i >= first}
        return (
            batch.only(np.array([i for i in range(len(batch)) if i not in gone], np.int64)) if gone else batch
        )

    @property
    def n_erased(self) -> int:
        """Users who are remembered as forgotten."""
        return len(self._erased)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The whole state by name, in a fixed order; nothing before the first decision."""
        of_alarms = self.alarms.arrays()
        if not (self._kept or self._erased or self._merged or of_alarms):
            return {}
        kept = [self._kept[key] for key in sorted(self._kept)]
        users, visitors = sorted(self._erased), sorted(self._merged)
        merged = [_Merged(visitor, *self._merged[visitor]) for visitor in visitors]
        return {
            "kept": np.frombuffer(_encode(kept), np.uint8),
            "merged": np.frombuffer(_encode(merged), np.uint8),
            "forgotten_upto": np.array([self.forgotten_upto], np.int64),
            "erased": np.array(users, np.uint64),
            "erased_until": np.array([self._erased[user] for user in users], np.int64),
            **self.pacing.arrays(),
            **of_alarms,
        }

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave; they fit (`check`). Without any, nothing was decided."""
        if not arrays:
            return
        self._kept = {(each.kind, each.name): each for each in _decode(arrays["kept"].tobytes())}
        merged = _decode_merged(arrays["merged"].tobytes())
        self._merged = {each.visitor: (each.user_id, each.user, each.until) for each in merged}
        pairs = zip(arrays["erased"].tolist(), arrays["erased_until"].tolist(), strict=True)
        self._erased = dict(pairs)
        self.forgotten_upto = int(arrays["forgotten_upto"][0])
        self._note_latest()
        for each in sorted(self._kept.values(), key=lambda each: each.offset):
            at = Changed(each.offset, each.broker_ts)
            if each.kind == SCENARIO:
                _note(self.changed, each.name, at)
            elif each.kind == EXPERIMENT:
                _note(self.tried, each.name, at)
            elif each.kind == BASELINE:
                self._note_baseline(each)
        self.experiments = self._all_experiments()
        bodies = {name: _body_of(kept) for (kind, name), kept in sorted(self._kept.items()) if kind == ALARM}
        self.alarms.load(arrays, {name: body for name, body in bodies.items() if isinstance(body, Alarm)})
        self._put_in_force()
        self.pacing.load(arrays)

    @staticmethod
    def check(arrays: Mapping[str, NDArray[Any]]) -> None:
        """Could `load` take these?

        Raises:
            ConfigError: they are not its own.
        """
        try:
            if arrays:
                _decode(arrays["kept"].tobytes())
                _decode_merged(arrays["merged"].tobytes())
                Pacing.check(arrays)
                Alarms.check(arrays)
            whole = not arrays or (
                len(arrays["forgotten_upto"]) == 1 and len(arrays["erased"]) == len(arrays["erased_until"])
            )
        except (KeyError, msgspec.DecodeError, msgspec.ValidationError):
            whole = False
        if not whole:
            raise ConfigError("the decisions do not fit", fix="start without this snapshot")

    def _erase(self, user: int, until: int) -> None:
        self._erased[user] = max(until, self._erased.get(user, -1))
        self._latest = max(self._latest, until)
        if len(self._erased) > self._max_erased:
            for oldest in _oldest(self._erased):
                del self._erased[oldest]
            self._say(
                "erasures",
                "more users are forgotten than are remembered as forgotten: a replay could teach the oldest again",
                kept=self._max_erased,
                fix="raise engine.max_erased above the number of erasures within the retention of `events`",
            )

    def _note_latest(self) -> None:
        untils = (*self._erased.values(), *(until for _, _, until in self._merged.values()))
        self._latest = max(untils, default=-1)

    def _try(self, name: str, at: Changed) -> None:
        """An experiment has changed; if an arm is shipped, the scenarios are what it makes of them."""
        before = self.experiments.get(name)
        self.experiments = self._all_experiments()
        after = self.experiments.get(name)
        if {each.state for each in (before, after) if each is not None} == {"draft"}:
            return
        _note(self.tried, name, at)
        for each in (before, after):
            if each is not None and changes_scenarios(each):
                for scenario in each.scenarios or self.scenarios:
                    self._note_change(scenario, at)
        self._put_in_force()

    def _warn(self, decision: Decision, at: Changed) -> None:
        """Something has changed, or is taken back: slates explore, or show what is popular, or are as they were."""
        before = self.alarms.wishes
        alarm = decision.body if isinstance(decision.body, Alarm) else None
        self.alarms.learn(decision.name, alarm, decision.broker_ts)
        if self.alarms.wishes != before:
            for scenario in self.scenarios:
                self._note_change(scenario, at)
            self._put_in_force()

    def _note_change(self, scenario: str, at: Changed) -> None:
        _note(self.changed, scenario, at)
        self.first_change.setdefault(scenario, at.offset)
        if len(self.first_change) > MAX_KEPT:
            del self.first_change[next(iter(self.first_change))]

    def settled(self, scenario: str) -> None:
        """Its rules are in force as the last record has them."""
        self.first_change.pop(scenario, None)

    def _note_baseline(self, kept: _Kept | None) -> None:
        """Whoever watches the metric may take it over."""
        if kept is not None and isinstance(body := _body_of(kept), Baseline):
            self.baselines[kept.name] = Recorded(kept.offset, kept.broker_ts, body)

    def _all_experiments(self) -> dict[str, Experiment]:
        found = {
            name: _body_of(self._kept[kind, name]) for kind, name in sorted(self._kept) if kind == EXPERIMENT
        }
        return {name: each for name, each in found.items() if isinstance(each, Experiment)}

    def _put_in_force(self) -> None:
        self.scenarios = self._in_force()
        self.pacing.follow(
            (name, promotion, decided.broker_ts + MARGIN_MS)
            for name, scenario in self.trials.scenarios.items()
            if (decided := self._kept.get(_decision_of(name))) is not None
            for promotion in scenario.promotions
        )

    def _in_force(self) -> dict[str, Scenario]:
        found = dict(self._of_settings)
        for kind, name in sorted(self._kept):
            if kind == SCENARIO and (name in found or len(found) < MAX_SCENARIOS):
                scenario = _body_of(self._kept[kind, name])
                if isinstance(scenario, Scenario):
                    found[name] = scenario
        since = {f"{kind}/{name}": each.offset for (kind, name), each in self._kept.items()}
        in_force = stood_in(shipped(found, self.experiments, since), self.alarms.popular)
        return widened(in_force, self.alarms.exploration)

    def _has_room(self, decision: Decision) -> bool:
        if len(self._kept) < MAX_KEPT:
            return True
        self._say(
            "kept",
            "a decision is not kept: there are too many",
            decision=f"{decision.kind}/{decision.name}",
            kept=MAX_KEPT,
            fix="take decisions back that are not needed: `stream-rec scenario remove NAME`",
        )
        return False

    def _say_unknown(self, kind: str) -> None:
        self._say(
            f"kind {kind}",
            "decisions of a kind that this release does not know are kept and ignored",
            kind=kind,
            fix="update this worker, or take them back",
        )

    def _say(self, about: str, message: str, **fields: object) -> None:
        """Each thing once."""
        if about not in self._said and len(self._said) < MAX_KEPT:
            self._said.add(about)
            self._log.warning(message, **fields)


_NONE: NDArray[np.int64] = np.zeros(0, np.int64)


def _oldest(until: Mapping[int, int]) -> list[int]:
    """The sixteenth that is oldest: one that makes room makes it for some time."""
    return sorted(until, key=lambda each: (until[each], each))[: len(until) // 16 + 1]


def _note(changes: dict[str, Changed], name: str, at: Changed) -> None:
    """The latest, last; of the last ones."""
    changes.pop(name, None)
    changes[name] = at
    if len(changes) > MAX_KEPT:
        del changes[next(iter(changes))]


def _decision_of(scenario: str) -> tuple[str, str]:
    """Kind and name of the decision that a scenario's promotions came with, as far as an arm has changed it."""
    if is_variant(scenario):
        return EXPERIMENT, experiment_of(scenario)
    return SCENARIO, scenario


def _body_of(kept: _Kept) -> Body | None:
    """What a record says that was good when it was learned; None = this release no longer reads it."""
    try:
        body = msgspec.json.decode(kept.raw, type=_Raw).body
        return body_of(kept.kind, kept.name, body, IngestSettings())
    except (ContractError, msgspec.DecodeError):
        return None

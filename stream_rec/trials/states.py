"""The life of an experiment: which command may move it from which state, and what the record says afterwards."""

from __future__ import annotations

from typing import Literal

import msgspec

from stream_rec.errors import ConfigError
from stream_rec.schemas.experiment import OWN_FIELDS, Experiment, State
from stream_rec.schemas.faults import did_you_mean

Move = Literal["start", "ramp", "pause", "stop", "ship"]

ALLOWED: dict[Move, tuple[State, ...]] = {
    "start": ("draft", "ramping", "paused"),
    "ramp": ("draft", "ramping", "paused"),
    "pause": ("running", "ramping"),
    "stop": ("running", "ramping", "paused"),
    "ship": ("running", "ramping", "paused"),
}
"""`start` = the full traffic at once; `ramp` = the first step of the ramp, or the next; `pause` = nobody for a while;
`stop` = everybody gets the control, for good; `ship` = everybody gets the winner, for good."""
FROZEN = ("arms", "kind", "scenarios", "slot", "layer", "salt", "audience", "primary")
"""What a live experiment keeps: who is in which arm, what he gets there, and what decides."""


class NotAllowed(ConfigError):
    """As it is now, the experiment cannot be moved or changed so. The fix names what can be done."""


class UnknownArm(ConfigError):
    """The experiment has no arm of this name."""


def moved(
    name: str, experiment: Experiment, move: Move, now: float, *, winner: str = "", reason: str = ""
) -> Experiment:
    """The experiment after a move.

    Args:
        name: of the experiment, for errors.
        experiment: as it is.
        move: which.
        now: seconds since the epoch.
        winner: the arm that is shipped.
        reason: why, if a rule has decided it.

    Raises:
        NotAllowed: not in this state.
        UnknownArm: the winner is none of its arms.
    """
    if experiment.state not in ALLOWED[move]:
        raise NotAllowed(
            f"experiment {name} is {_said(experiment.state)}: it cannot {_VERB[move]}",
            fix=f"allowed are {_allowed(experiment.state)}",
        )
    paused = max(now - experiment.since, 0.0) if experiment.state == "paused" else 0.0
    begun = msgspec.structs.replace(
        experiment,
        since=now,
        started=experiment.started or now,
        paused_seconds=experiment.paused_seconds + paused,
        reason=reason,
        winner="",
    )
    if move == "ramp":
        return _ramped(begun, experiment)
    if move == "ship":
        names = [arm.name for arm in experiment.arms]
        if winner not in names:
            raise UnknownArm(f"experiment {name} has no arm {winner!r}", fix=did_you_mean(winner, names))
        return msgspec.structs.replace(begun, state="shipped", step=0, winner=winner)
    state: State = {"start": "running", "pause": "paused", "stop": "rolled_back"}[move]  # type: ignore[assignment]
    return msgspec.structs.replace(begun, state=state, step=experiment.step if move == "pause" else 0)


def redefined(name: str, now: Experiment | None, wanted: Experiment) -> Experiment:
    """What a file says of an experiment, with the state that it has.

    Raises:
        NotAllowed: it is live or over, and something of it changes that must not.
    """
    if now is None or now.state == "draft":
        return wanted
    changed = [field for field in FROZEN if getattr(now, field) != getattr(wanted, field)]
    if not now.is_live:
        raise NotAllowed(f"experiment {name} is over", fix="give the new one a name of its own")
    if wanted.traffic < now.traffic:
        changed.append("traffic (it may only grow)")
    if now.state != "running" and wanted.ramp != now.ramp:
        changed.append("ramp")
    if changed:
        raise NotAllowed(
            f"experiment {name} is {_said(now.state)}, and {', '.join(changed)} would change: "
            "what was measured so far would be of something else",
            fix=f"`stream-rec experiment stop {name}`, and apply it under another name",
        )
    own = {field: getattr(now, field) for field in OWN_FIELDS}
    return msgspec.structs.replace(wanted, **own)


def _ramped(begun: Experiment, before: Experiment) -> Experiment:
    """At the first step from a draft, where it was after a pause, else at the next; running after the last."""
    step = {"draft": 0, "paused": before.step}.get(before.state, before.step + 1)
    if step >= len(begun.steps):
        return msgspec.structs.replace(begun, state="running", step=0)
    return msgspec.structs.replace(begun, state="ramping", step=step)


def _said(state: State) -> str:
    return {"draft": "a draft", "rolled_back": "rolled back"}.get(state, state)


def _allowed(state: State) -> str:
    moves = [move for move, states in ALLOWED.items() if state in states]
    return ", ".join(moves) if moves else "none: apply it anew under another name"


_VERB: dict[Move, str] = {
    "start": "be started",
    "ramp": "be ramped",
    "pause": "be paused",
    "stop": "be stopped",
    "ship": "be shipped",
}

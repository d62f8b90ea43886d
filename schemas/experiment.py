"""What is tried on whom: the body of a record `experiment/<name>` on the topic `control`.

The fields down to `step_hours` are written by people; those after it by the commands that move an experiment from state
to state. The first arm is the control: what everybody gets who is in no experiment.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from stream_rec.schemas.scenario import Rule

State = Literal["draft", "running", "ramping", "paused", "shipped", "rolled_back"]
LIVE: tuple[State, ...] = ("running", "ramping", "paused")
"""In these its users are its own: no other experiment of the layer may have them."""

MAX_ARMS, MAX_GUARDRAILS, MAX_RAMP_STEPS, MAX_AUDIENCE, MAX_VALUES = 8, 16, 16, 8, 64
DAY_SECONDS = 86_400.0
OWN_FIELDS = ("state", "step", "started", "since", "paused_seconds", "winner", "reason", "shares")
"""What the commands write, and a file must not."""


class Measured(NamedTuple):
    """What a metric is: a ratio of two sums, each of which counts by user (`trials/outcomes.py`).

    Attributes:
        numerator: outcome.
        denominator: outcome; `user` = the mean by user.
        better: 1 = more is better, -1 = less.
        before: of the user's own past, what it goes with (CUPED); empty = nothing.
        says: for people.
    """

    numerator: str
    denominator: str
    better: int
    before: str
    says: str


METRICS: dict[str, Measured] = {
    "ctr": Measured("click", "shown", 1, "click_before", "clicks by slate shown"),
    "clicks": Measured("click", "user", 1, "click_before", "clicks by user"),
    "dwell": Measured("dwell", "user", 1, "click_before", "seconds of attention by user"),
    "bounce": Measured("bounce", "session", -1, "", "sessions of one event after a slate, by session"),
    "carts": Measured("cart", "user", 1, "click_before", "items put into the cart, by user"),
    "purchases": Measured("purchase", "user", 1, "click_before", "items bought, by user"),
    "revenue": Measured("net", "user", 1, "click_before", "revenue less refunds, by user"),
    "refunds": Measured("refund", "user", -1, "", "refunds by user"),
}


class Arm(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One of the things that are compared.

    Attributes:
        name: of the arm; slates and impressions carry it as `variant`.
        weight: of its users among those of the experiment.
        description: for people.
        scenario: fields of a scenario that differ from those in force; empty = none.
        sources: what ranks; empty = what the settings say.
        learning_rate: factor on that of the ranker.
    """

    name: str
    weight: float = 1.0
    description: str = ""
    scenario: dict[str, Any] = msgspec.field(default_factory=dict)
    sources: tuple[str, ...] = ()
    learning_rate: float = 1.0

    @property
    def changes(self) -> bool:
        """Does it differ from what everybody gets?"""
        return bool(self.scenario or self.ranks)

    @property
    def ranks(self) -> bool:
        """Does a ranker of its own order its slates?"""
        return bool(self.sources or self.learning_rate != 1.0)


class Guardrail(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What must not get worse.

    Attributes:
        metric: one of METRICS.
        tolerated: the relative loss that is borne; a certain loss beyond it ends the experiment.
    """

    metric: str
    tolerated: float = 0.0


class Experiment(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is tried on whom.

    Attributes:
        arms: two or more; the first is the control.
        kind: `ab`, or `interleaving`: two arms in one slate; `shadow`: judged and never shown; `bandit`: the
            better an arm does, the more users it has.
        description: for people.
        scenarios: whose slates are changed; empty = all.
        traffic: share of the layer's users that are in the experiment when it has its full traffic.
        slot: from 0 to 1: where its users begin in the layer.
        layer: experiments of one layer never have the same user; empty = a layer of its own.
        salt: of the hash that deals out arms; empty = the experiment's name.
        audience: who takes part: for each key of the context, its values. The key `user` is `new` or `returning`.
        primary: the metric that decides.
        secondary: metrics that are shown, corrected for their number (Holm).
        guardrails: what must not get worse meanwhile.
        mde: the smallest relative difference that is worth having.
        alpha: how often a difference is found where there is none.
        power: how surely one of the size of `mde` is found.
        min_runtime_days: nothing is shipped before. A week has all its days in it: weekend shoppers differ.
        max_runtime_days: after it the experiment ends without a winner; 0 = never.
        ramp: shares of the layer's users, ascending, through which `ramp` goes to `traffic`.
        step_hours: each share is kept at least so long.
        state: where it is in its life.
        step: index into the ramp, while `ramping`.
        started: when the first user was in it, seconds since the epoch; 0 = not yet.
        since: when the present state, or step of the ramp, began.
        paused_seconds: for how long it had been paused before that: no time of its runtime.
        winner: the arm that was shipped.
        reason: why it is in this state; of a decision by rule.
        min_share: of a bandit: what every arm keeps of the users, whatever it has earned.
        shares: of a bandit: of the arms, as they were drawn last; empty = by their weights.
    """

    arms: tuple[Arm, ...]
    kind: Literal["ab", "interleaving", "shadow", "bandit"] = "ab"
    description: str = ""
    scenarios: tuple[str, ...] = ()
    traffic: float = 1.0
    slot: float = 0.0
    layer: str = ""
    salt: str = ""
    audience: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    primary: str = "ctr"
    secondary: tuple[str, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    mde: float = 0.05
    alpha: float = 0.05
    power: float = 0.8
    min_runtime_days: float = 7.0
    max_runtime_days: float = 0.0
    ramp: tuple[float, ...] = (0.01, 0.05, 0.1, 0.25, 0.5)
    step_hours: float = 24.0
    state: State = "draft"
    step: int = 0
    started: float = 0.0
    since: float = 0.0
    paused_seconds: float = 0.0
    winner: str = ""
    reason: str = ""
    min_share: float = 0.05
    shares: tuple[float, ...] = ()

    @property
    def weights(self) -> tuple[float, ...]:
        """Of the arms, in their order: by what users are dealt out now."""
        return self.shares or tuple(arm.weight for arm in self.arms)

    @property
    def steps(self) -> tuple[float, ...]:
        """The shares of the ramp that are below the full traffic."""
        return tuple(share for share in self.ramp if share < self.traffic)

    @property
    def share(self) -> float:
        """Of the layer's users, those who are in it now."""
        if self.state == "running":
            return self.traffic
        if self.state == "ramping":
            return self.steps[self.step] if self.step < len(self.steps) else self.traffic
        return 0.0

    @property
    def is_live(self) -> bool:
        """Are its users its own?"""
        return self.state in LIVE

    def ran(self, now: float) -> float:
        """For how many seconds it has had users until now, pauses left out; what is over ran until it was."""
        if not self.started:
            return 0.0
        return (now if self.share else self.since) - self.started - self.paused_seconds

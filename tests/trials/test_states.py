"""The life of an experiment: what may follow what."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.errors import ConfigError
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.schemas.experiment_check import faults
from stream_rec.trials.states import ALLOWED, Move, moved, redefined

DRAFT = Experiment((Arm("control"), Arm("blue", learning_rate=2.0)), traffic=0.3)


def test_a_ramp_goes_step_by_step_to_the_full_traffic() -> None:
    at, shares = DRAFT, []
    for now in range(1, 7):
        at = moved("e", at, "ramp", float(now)) if at.state != "running" else at
        shares.append((at.state, at.share))
    assert shares == [("ramping", s) for s in (0.01, 0.05, 0.1, 0.25)] + [("running", 0.3)] * 2
    assert (at.started, at.since) == (1.0, 5.0)


def test_a_pause_keeps_the_step() -> None:
    at = moved("e", moved("e", DRAFT, "ramp", 1.0), "ramp", 2.0)
    paused = moved("e", at, "pause", 3.0)
    assert (paused.state, paused.share, paused.is_live) == ("paused", 0.0, True)
    assert moved("e", paused, "ramp", 4.0).share == at.share


def test_what_is_shipped_is_an_arm() -> None:
    running = moved("e", DRAFT, "start", 1.0)
    assert moved("e", running, "ship", 2.0, winner="blue").winner == "blue"
    with pytest.raises(ConfigError, match="no arm 'bleu'"):
        moved("e", running, "ship", 2.0, winner="bleu")


moves = st.lists(st.sampled_from(sorted(ALLOWED)), max_size=12)


@given(moves)
@settings(deadline=None)
def test_whatever_is_tried_every_record_is_a_good_one_and_what_is_over_stays_over(tried: list[Move]) -> None:
    at = DRAFT
    for now, move in enumerate(tried, 1):
        allowed = at.state in ALLOWED[move]
        try:
            after = moved("e", at, move, float(now), winner="blue")
        except ConfigError:
            assert not allowed
            continue
        assert allowed
        assert at.state not in ("shipped", "rolled_back")
        assert not faults(after)
        at = after


def test_a_draft_may_become_anything_and_a_live_one_keeps_its_users() -> None:
    running = moved("e", DRAFT, "start", 5.0)
    more = msgspec.structs.replace(DRAFT, traffic=0.6, description="more", mde=0.1)
    assert redefined("e", None, more) == redefined("e", DRAFT, more) == more
    after = redefined("e", running, more)
    assert (after.state, after.started, after.traffic, after.mde) == ("running", 5.0, 0.6, 0.1)
    for changed in (
        {"salt": "x"},
        {"traffic": 0.2},
        {"primary": "revenue"},
        {"arms": (*DRAFT.arms, Arm("c"))},
    ):
        with pytest.raises(ConfigError, match=next(iter(changed))):
            redefined("e", running, msgspec.structs.replace(DRAFT, **changed))
    with pytest.raises(ConfigError, match="is over"):
        redefined("e", moved("e", running, "stop", 6.0), DRAFT)

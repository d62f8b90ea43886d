"""Outcomes by arm in the engine: the same as a join of the log by hand, once, and kept in snapshots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.feedback import trial_outcomes
from stream_rec.kernels.trial_state import OUTCOMES
from stream_rec.schemas.decisions import Decision
from stream_rec.schemas.records import Impression, Interaction
from stream_rec.settings import EngineSettings, MeasureSettings
from tests.engine.deciding import decide, decision, erasure
from tests.engine.worlds import Record, event_batch, impression_batch

ARMS = ("control", "b")
T = 1_000_000.0
GAP, WINDOW = 600.0, 3_000.0
ENGINE = EngineSettings(max_users=256, max_items=128, n_factors=8, session_gap_seconds=GAP, train_first=0)
MEASURE = MeasureSettings(
    max_open_impressions=4096,
    max_open_places=16_384,
    max_recent_interactions=4096,
    max_outcome_cells=256,
    attribution_window_seconds=WINDOW,
    max_trial_users=64,
)


def experiment(name: str = "x", **body: Any) -> Decision:
    arms = [{"name": arm} for arm in ARMS]
    return decision("experiment", name, {"arms": arms, "state": "running", "started": 1.0, **body})


def engine(**bounds: int) -> Engine:
    e = Engine(ENGINE, MEASURE.model_copy(update=bounds))
    decide(e, experiment())
    return e


@pytest.fixture
def shop() -> Engine:
    return engine()


class Log:
    """Records of one partition of each topic, at the next offsets."""

    def __init__(self, e: Engine) -> None:
        self._engine = e
        self._ends: dict[str, int] = defaultdict(int)

    def on(self, e: Engine) -> Log:
        """The same log, learned by another engine from here on."""
        log = Log(e)
        log._ends |= self._ends
        return log

    def show(self, user: str, items: Sequence[str], at: float, variant: str = "b", **fields: Any) -> None:
        said = {"slate_id": "s", "variant": variant or None, **fields}
        shown = Impression(user_id=user, ts=T + at, items=tuple(items), **said)
        self._engine.learn_impressions(impression_batch([self._record("impressions", user, shown)]))

    def do(
        self,
        user: str,
        item: str,
        at: float,
        kind: str = "click",
        value: float | None = None,
        slate: str = "",
    ) -> None:
        event = Interaction(user, item, kind, T + at, value=value, slate_id=slate or None)
        self._engine.learn(event_batch([self._record("events", user, event)]))

    def _record(self, topic: str, user: str, value: Impression | Interaction) -> Record:
        self._ends[topic] += 1
        return Record(topic, 0, self._ends[topic] - 1, user, value)


def totals(e: Engine, arm: str = "b", name: str = "x") -> dict[str, float]:
    found = e.attribution.trials.totals(name)
    assert found is not None
    arms, table = found
    sums = table[arms.index(arm)].sum(axis=0)
    return {outcome: float(amount) for outcome, amount in zip(OUTCOMES, sums, strict=True) if amount}


def test_what_a_user_does_with_a_slate_is_the_arms(shop: Engine) -> None:
    log = Log(shop)
    log.do("ann", "z", -9000.0)
    log.show("ann", "abc", 0.0)
    log.do("ann", "a", 1.0)
    log.do("ann", "a", 2.0)
    log.do("ann", "b", 3.0, "cart")
    log.do("ann", "b", 4.0, "cart")
    log.do("ann", "b", 5.0, "purchase", 20.0)
    log.do("ann", "b", 6.0, "purchase", -5.0)
    log.do("ann", "z", 7.0, "purchase", 99.0)
    log.do("bob", "a", 8.0)
    log.show("ann", "abc", 100.0)
    assert totals(shop) == {
        "user": 1.0,
        "shown": 2.0,
        "click": 2.0,
        "session": 1.0,
        "cart": 1.0,
        "purchase": 1.0,
        "revenue": 20.0,
        "refund": 5.0,
        "click_before": 1.0,
    }
    assert totals(shop, "control") == {}


def test_a_session_of_one_event_after_a_slate_is_a_bounce(shop: Engine) -> None:
    log = Log(shop)
    log.show("ann", "ab", 0.0)
    assert "bounce" not in totals(shop)
    log.do("ann", "z", 10.0)
    assert totals(shop)["bounce"] == 1.0
    log.show("ann", "ab", 10.0 + GAP + 1)
    assert (totals(shop)["session"], totals(shop)["bounce"]) == (2.0, 1.0)
    log.do("ann", "z", 20.0 + GAP)
    log.do("ann", "y", 30.0 + GAP)
    log.do("ann", "x", 40.0 + GAP)
    assert (totals(shop)["session"], totals(shop)["bounce"]) == (2.0, 1.0)


def test_what_is_learned_before_its_slate_counts_all_the_same(shop: Engine) -> None:
    log = Log(shop)
    log.do("ann", "a", 5.0)
    log.show("ann", "ab", 0.0)
    assert (totals(shop)["click"], totals(shop)["bounce"]) == (1.0, 1.0)


def test_what_came_after_a_slate_is_no_past_of_the_user_whenever_it_is_learned(shop: Engine) -> None:
    """Else the adjustment by the past (CUPED) would take the effect itself away."""
    log = Log(shop)
    log.do("ann", "z", -9000.0)
    log.do("ann", "a", 5.0)
    log.do("ann", "b", 2000.0)
    log.show("ann", "ab", 0.0)
    assert totals(shop)["click_before"] == 1.0


def test_an_interaction_that_names_its_slate_is_that_slates(shop: Engine) -> None:
    log = Log(shop)
    log.show("ann", "ab", 0.0, "control", slate_id="first")
    log.show("ann", "ab", 10.0, "b", slate_id="second")
    log.do("ann", "a", 20.0, slate="first")
    log.do("ann", "b", 21.0)
    log.do("ann", "b", 22.0, slate="neither")
    assert (totals(shop, "control")["click"], totals(shop, "b")["click"]) == (1.0, 1.0)
    log.do("bob", "a", 31.0, slate="third")
    log.show("bob", "ab", 29.0, "b", slate_id="other")
    assert totals(shop, "b")["click"] == 1.0
    log.show("bob", "ab", 30.0, "b", slate_id="third")
    assert totals(shop, "b")["click"] == 2.0


def test_a_purchase_counts_though_its_refund_was_learned_before_it(shop: Engine) -> None:
    log = Log(shop)
    log.show("ann", "ab", 0.0)
    log.do("ann", "a", 2.0, "purchase", -5.0)
    log.do("ann", "a", 1.0, "purchase", 20.0)
    log.do("ann", "a", 3.0, "purchase", 20.0)
    log.do("bob", "a", 1.0, "purchase", 20.0)
    log.do("bob", "a", 2.0, "purchase", -5.0)
    log.show("bob", "ab", 0.0)
    found = totals(shop)
    assert {name: found[name] for name in ("click", "purchase", "revenue", "refund")} == {
        "click": 2.0,
        "purchase": 2.0,
        "revenue": 40.0,
        "refund": 10.0,
    }


def test_only_slates_of_an_arm_that_is_live_in_the_scenario_count(shop: Engine) -> None:
    decide(shop, experiment("home", scenarios=["home"], started=2.0))
    log = Log(shop)
    log.show("ann", "a", 0.0, "")
    log.show("ann", "a", 1.0, "unheard-of")
    log.show("ann", "a", 2.0, experiment="home")
    log.show("ann", "a", 3.0, experiment="home", scenario="home")
    log.show("ann", "a", 4.0, experiment="x", scenario="home")
    assert (totals(shop)["shown"], totals(shop, name="home")["shown"]) == (1.0, 1.0)
    decide(shop, experiment("home", scenarios=["home"], started=2.0, state="rolled_back"))
    log.show("ann", "a", 5.0, experiment="home", scenario="home")
    log.do("ann", "a", 6.0)
    assert totals(shop, name="home")["shown"] == 1.0


def join(log: Sequence[Impression | Interaction]) -> dict[str, dict[str, float]]:
    """Slow and obvious: what came after what, by event time."""
    found: dict[str, dict[str, float]] = {arm: defaultdict(float) for arm in ARMS}
    users: dict[str, str] = {}
    clicked: set[tuple[int, str]] = set()
    shown: list[tuple[int, Impression]] = []
    for n, each in enumerate(log):
        if isinstance(each, Impression):
            arm = each.variant or ""
            found[arm]["shown"] += 1
            if users.get(each.user_id) != arm:
                found[arm]["user"] += 1
                users[each.user_id] = arm
            shown.append((n, each))
            continue
        for at, slate in reversed(shown):
            is_meant = each.slate_id in (None, slate.slate_id) and slate.user_id == each.user_id
            if is_meant and each.item_id in slate.items and each.ts - slate.ts <= WINDOW:
                found[slate.variant or ""]["click"] += (at, each.item_id) not in clicked
                clicked.add((at, each.item_id))
                break
    return found


def random_log(n: int) -> list[Impression | Interaction]:
    rng = np.random.default_rng(5)
    now, log = T, list[Impression | Interaction]()
    for at in range(n):
        now += float(rng.integers(1, 60))
        user = f"u{rng.integers(12)}"
        if rng.random() < 0.4:
            items = tuple(f"i{i}" for i in rng.permutation(9)[:4])
            log.append(Impression(f"s{at}", user, now, items, variant=str(rng.choice(ARMS))))
        else:
            named = [s.slate_id for s in log[-20:] if isinstance(s, Impression) and s.user_id == user]
            slate = str(rng.choice(named)) if named and rng.random() < 0.4 else None
            log.append(Interaction(user, f"i{rng.integers(9)}", "click", now, slate_id=slate))
    return log


def learned(log: Sequence[Impression | Interaction], e: Engine) -> Engine:
    ends: dict[str, int] = defaultdict(int)
    for each in log:
        topic = "impressions" if isinstance(each, Impression) else "events"
        record = Record(topic, 0, ends[topic], each.user_id, each)
        ends[topic] += 1
        if topic == "events":
            e.learn(event_batch([record]))
        else:
            e.learn_impressions(impression_batch([record]))
    return e


def test_counts_equal_a_join_of_the_log() -> None:
    log = random_log(600)
    e = Engine(ENGINE, MEASURE)
    decide(e, experiment())
    learned(log, e)
    for arm, wanted in join(log).items():
        assert {name: totals(e, arm)[name] for name in wanted} == wanted
        assert wanted["click"] > 20


def test_what_is_delivered_twice_counts_once_and_a_restored_engine_goes_on() -> None:
    log = random_log(300)
    whole, half = Engine(ENGINE, MEASURE), Engine(ENGINE, MEASURE)
    for e in (whole, half):
        decide(e, experiment())
    learned(log, whole)
    learned(log, whole)
    learned(log[:150], half)
    again = Engine(ENGINE, MEASURE)
    again.restore(half.snapshot(), half.position)
    assert again.digest() == half.digest()
    learned(log, again)
    assert again.digest() == whole.digest()


def test_users_beyond_the_room_are_left_out_of_every_arm(shop: Engine) -> None:
    log = Log(shop)
    for n in range(200):
        log.show(f"u{n}", "a", float(n), ARMS[n % 2])
        log.do(f"u{n}", "a", n + 0.5)
    n_users = shop.stats()["trial_users"]
    assert 64 <= n_users < 128
    assert shop.stats()["trial_left_out"] == 200 - n_users
    counted = [totals(shop, arm) for arm in ARMS]
    assert sum(each["user"] for each in counted) == n_users
    assert sum(each["click"] for each in counted) == n_users


def test_experiments_that_are_over_give_way_to_new_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial_outcomes, "MAX_TRIALS", 2)
    e = Engine(ENGINE, MEASURE)
    log = Log(e)
    decide(e, experiment("one"), experiment("two", started=2.0))
    log.show("ann", "a", 0.0, experiment="one")
    log.show("ann", "a", 1.0, experiment="two")
    decide(e, experiment("three", started=3.0))
    log.show("ann", "a", 2.0, experiment="three")
    assert e.attribution.trials.totals("three") is None
    decide(e, experiment("one", state="rolled_back"))
    log.show("ann", "a", 3.0, experiment="three")
    log.show("ann", "a", 4.0, experiment="two")
    assert e.attribution.trials.totals("one") is None
    assert totals(e, name="three") == {"user": 1.0, "shown": 1.0, "session": 1.0}
    assert totals(e, name="two")["shown"] == 2.0
    assert e.stats()["trial_users"] == 2.0


def test_what_is_done_with_a_slate_of_an_experiment_that_gave_way_is_not_the_new_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial_outcomes, "MAX_TRIALS", 1)
    e = Engine(ENGINE, MEASURE)
    log = Log(e)
    decide(e, experiment("old"))
    log.show("ann", "ab", 0.0, experiment="old", slate_id="s1")
    decide(e, experiment("old", state="rolled_back"), experiment("new", started=2.0))
    log.show("bob", "ab", 1.0, experiment="new", slate_id="s2")
    log.do("ann", "a", 2.0)
    log.do("ann", "b", 3.0, "purchase", 20.0)
    assert totals(e, name="new") == {"user": 1.0, "shown": 1.0, "session": 1.0}
    log.do("bob", "a", 4.0)
    assert totals(e, name="new")["click"] == 1.0


def test_a_forgotten_user_is_in_no_table_and_sums_stay(shop: Engine) -> None:
    log = Log(shop)
    log.show("ann", "a", 0.0)
    log.do("ann", "a", 1.0)
    decide(shop, erasure("ann", T + 10))
    assert totals(shop)["click"] == 1.0
    assert not shop.attribution.trials.state.users["user"].any()


def test_clicks_of_forgotten_users_still_count_after_a_restart() -> None:
    e = Engine(ENGINE, MEASURE)
    decide(e, experiment(kind="interleaving"))
    log = Log(e)
    for user in ("ann", "bob", "cy"):
        log.show(user, "ab", 0.0, "control+b", teams=("control", "b"))
        log.do(user, "b", 1.0)
    decide(e, erasure("ann", T + 10), erasure("bob", T + 10))
    again = Engine(ENGINE, MEASURE)
    again.restore(e.snapshot(), e.position)
    assert again.digest() == e.digest()
    for each in (e, again):
        control, other = each.attribution.trials.credits("x")
        assert (control.tolist(), other.tolist()) == ([0.0] * 3, [1.0] * 3)


def test_an_engine_without_experiments_keeps_nothing_of_them() -> None:
    e = Engine(ENGINE, MEASURE)
    log = Log(e)
    log.show("ann", "a", 0.0)
    log.do("ann", "a", 1.0)
    assert not [name for name in e.snapshot() if name.startswith(("trials.", "arms."))]


@pytest.mark.parametrize("n_after", [10, 40, 300])
def test_a_backlog_of_events_that_came_after_a_slate_is_no_past(shop: Engine, n_after: int) -> None:
    """More than any walk looks at: a worker that is behind learns days of events before their first impression."""
    log = Log(shop)
    log.do("ann", "z", -9000.0)
    log.do("ann", "y", -8000.0)
    for n in range(n_after):
        log.do("ann", "abxyz"[n % 5], 5.0 + n)
    log.show("ann", "ab", 0.0)
    assert totals(shop)["click_before"] == 2.0


def test_where_the_log_after_a_slate_is_no_longer_known_nobody_has_a_past() -> None:
    """Neither who did much since nor who did nothing: else what was done since would have a say in it."""
    e = engine(max_recent_interactions=64)
    log = Log(e)
    for user in ("ann", "bob"):
        log.do(user, "z", -9000.0)
    for n in range(80):
        log.do("ann", "a", 5.0 + n)
    log.show("ann", "ab", 0.0)
    log.show("bob", "ab", 0.0)
    assert "click_before" not in totals(e)
    log.show("cat", "ab", 200.0)
    log.do("cat", "a", 201.0)
    log.do("dan", "z", 150.0)
    log.show("dan", "ab", 202.0)
    assert totals(e)["click_before"] == 1.0


def test_the_past_of_who_comes_from_another_arm_ended_with_the_first_slate(shop: Engine) -> None:
    log = Log(shop)
    log.do("ann", "z", -9000.0)
    log.show("ann", "ab", 0.0, "control")
    log.do("ann", "a", 1.0)
    log.do("ann", "b", 2.0)
    log.show("ann", "ab", 3.0, "b")
    assert totals(shop, "control")["click_before"] == totals(shop, "b")["click_before"] == 1.0


WEEK = 7 * 86_400.0


def test_a_refund_lowers_what_its_purchase_has_raised_whenever_it_comes(shop: Engine) -> None:
    log = Log(shop)
    log.show("ann", "ab", 0.0)
    log.do("ann", "a", 1.0, "purchase", 20.0)
    log.show("ann", "ab", WEEK, "control")
    log.do("ann", "a", WEEK + 1, "purchase", -15.0)
    log.do("ann", "a", 2 * WEEK, "purchase", -5.0)
    found = totals(shop)
    assert (found["revenue"], found["refund"]) == (20.0, 20.0)
    assert "refund" not in totals(shop, "control")
    assert shop.stats()["trial_refunds_left_out"] == 0


def test_a_refund_of_what_no_arm_has_sold_is_counted_and_lowers_nothing(shop: Engine) -> None:
    log = Log(shop)
    log.show("ann", "ab", 0.0)
    log.do("ann", "z", 1.0, "purchase", 20.0)
    log.do("ann", "z", WEEK, "purchase", -20.0)
    log.do("bob", "z", WEEK, "purchase", -20.0)
    assert "refund" not in totals(shop)
    assert shop.stats()["trial_refunds_left_out"] == 1


def test_a_refund_that_is_learned_with_its_purchase_before_the_slate_lowers_it_too(shop: Engine) -> None:
    """A worker that learns a backlog may meet weeks of events before their impressions."""
    log = Log(shop)
    log.show("ann", "xy", -WEEK)
    log.do("ann", "a", 1.0, "purchase", 20.0)
    log.do("ann", "a", 2 * GAP, "purchase", -15.0)
    log.do("ann", "a", WEEK, "purchase", -5.0)
    assert shop.stats()["trial_refunds_left_out"] == 2
    log.show("ann", "ab", 0.0)
    assert (totals(shop)["revenue"], totals(shop)["refund"]) == (20.0, 20.0)
    assert shop.stats()["trial_refunds_left_out"] == 0


def test_purchases_are_remembered_over_a_restart_and_forgotten_with_their_user(shop: Engine) -> None:
    log = Log(shop)
    for user in ("ann", "bob"):
        log.show(user, "ab", 0.0)
        log.do(user, "a", 1.0, "purchase", 20.0)
    again = Engine(ENGINE, MEASURE)
    again.restore(shop.snapshot(), shop.position)
    assert again.digest() == shop.digest()
    again.forget_user("bob")
    later = log.on(again)
    for user in ("ann", "bob"):
        later.do(user, "a", WEEK, "purchase", -20.0)
    assert totals(again)["refund"] == 20.0


def test_the_oldest_purchases_give_way() -> None:
    e = engine(max_trial_users=16)
    log = Log(e)
    log.show("ann", "ab", 0.0)
    for n in range(17):
        log.show("ann", [f"i{n}"], 1.0 + n)
        log.do("ann", f"i{n}", 1.5 + n, "purchase", 20.0)
    log.do("ann", "i0", 2 * WINDOW, "purchase", -20.0)
    assert (totals(e).get("refund"), e.stats()["trial_refunds_left_out"]) == (None, 1)
    log.do("ann", "i16", 2 * WINDOW, "purchase", -20.0)
    assert totals(e)["refund"] == 20.0

"""`ope` on a real log: a policy judged by slates in which chance had a say, and refusals."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
from click.testing import Result
from confluent_kafka import Producer
from typer.testing import CliRunner

from stream_rec.bus.topics import ensure_topics
from stream_rec.cli.app import app
from stream_rec.clock import ManualClock
from stream_rec.errors import ConfigError
from stream_rec.kernels.ids import hash_ids
from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.schemas.records import AsOf, Impression, Interaction, Reason, Slate, SlateItem
from stream_rec.settings import Settings
from stream_rec.trials.assignment import arms
from stream_rec.trials.off_policy.arms import OfArm, ShownByArm, judge_arm, read_arm_log
from stream_rec.trials.off_policy.judge import judge
from stream_rec.trials.off_policy.log import Log, Question, Shown, read_log
from tests.cli.running import addresses

ITEMS = ("a", "b", "c")
CLICKED = {"a": 0.2, "b": 0.4, "c": 0.9}
NOW = 1_700_000_000.0
PLACES = 2


def slate(
    user: str, name: str, scenario: str, items: tuple[str, ...], chances: tuple[float | None, ...] | None
) -> Slate:
    places = tuple(
        SlateItem(item, 1.0, Reason("x"), propensity=chances[i] if chances else None)
        for i, item in enumerate(items)
    )
    return Slate(AsOf("log", 0, 1, 1, NOW), user, scenario, name, "model", NOW, places)


def explored(n: int, seed: int) -> list[tuple[str, tuple[str, ...], tuple[float, ...]]]:
    """Users with slates of two of three items, drawn without repeats, all alike."""
    chance = np.random.default_rng(seed)
    return [(f"u{i}", tuple(chance.permutation(ITEMS)[:PLACES].tolist()), (1 / 3, 1 / 2)) for i in range(n)]


def fill(settings: Settings, n: int = 400) -> None:
    """`wild` explores; `calm` and `dull` have c, then b; `pinned` explores in the first place, then b."""
    ensure_topics(settings.bus)
    chance = np.random.default_rng(1)
    producer = Producer({"bootstrap.servers": settings.bus.bootstrap})
    shown: list[Impression | Interaction] = []
    for user, items, chances in explored(n, 2):
        for each in (
            slate(user, f"w-{user}", "wild", items, chances),
            slate(user, f"c-{user}", "calm", ("c", "b"), None),
            slate(user, f"p-{user}", "pinned", (items[0], "b"), (1 / 3, None)),
            slate(user, f"d-{user}", "dull", ("c", "b"), None),
        ):
            producer.produce(f"{settings.bus.prefix}slates", msgspec.json.encode(each), user.encode())
    producer.flush(30)
    for user, items, _ in explored(n, 2):
        shown.append(Impression(f"w-{user}", user, NOW, items, "wild"))
        shown.append(Impression(f"p-{user}", user, NOW, (items[0], "b"), "pinned"))
        shown.append(Impression(f"d-{user}", user, NOW, ("c", "b"), "dull"))
        shown += [
            Interaction(user, item, "click", NOW + 5) for item in items if chance.random() < CLICKED[item]
        ]
    with Publisher(
        settings.bus, settings.ingest.model_copy(update={"max_lateness_seconds": 1e9})
    ) as publisher:
        publisher.publish_all(shown)


def test_a_policy_is_judged_by_what_another_has_shown(tansu_settings: Settings) -> None:
    late = tansu_settings.ingest.model_copy(update={"max_lateness_seconds": 3.0e8})
    settings = tansu_settings.model_copy(update={"ingest": late})
    fill(settings)
    log = read_log(settings, Question("wild", "calm", 0.0, 2e9, (), PLACES))
    assert len(log.shown) == 400
    assert not log.without_policy
    judged = judge(log.shown, PLACES)
    cascade = judged.by_slate[1]
    assert cascade.low < CLICKED["c"] + CLICKED["b"] < cascade.high
    assert cascade.low > judged.by_slate[0].high
    by_place = {each.estimator: each for each in judged.by_place}
    assert by_place["DR"].low < (CLICKED["c"] + CLICKED["b"]) / 2 < by_place["DR"].high
    environment = addresses(settings) | {"STREAM_REC__INGEST__MAX_LATENESS_SECONDS": "3e8"}
    words = ("ope", "--scenario", "wild", "--policy", "calm", "--places", str(PLACES))
    told = CliRunner().invoke(app, [*words, "--json"], env=environment, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["by_slate"]["cascade-DR"][0] == pytest.approx(cascade.value)
    pinned = read_log(settings, Question("pinned", "calm", 0.0, 2e9, (), PLACES))
    assert {each.propensities[1] for each in pinned.shown} == {1.0}
    assert not judge(pinned.shown, PLACES).refused
    dull = read_log(settings, Question("dull", "calm", 0.0, 2e9, (), PLACES))
    with pytest.raises(ConfigError, match="have no propensity"):
        judge(dull.shown, PLACES)
    with pytest.raises(ConfigError, match="chance has a say in the slates of 'wild'"):
        read_log(settings, Question("wild", "wild", 0.0, 2e9))
    with pytest.raises(ConfigError, match="no slate of scenario 'tame' was shown"):
        read_log(settings, Question("tame", "calm", 0.0, 2e9))


START = NOW - 100.0
ARMS = (Arm("plain"), Arm("bold", weight=1.0, scenario={"logic": "trending"}))
EARNS = {"plain": 0.2, "bold": 0.6}


def users_by_arm(n: int) -> dict[str, str]:
    """As the hash deals them to the arms of `trial`."""
    users = [f"v{i}" for i in range(n)]
    numbers = arms("trial", Experiment(ARMS), hash_ids(IdColumn.of(users)))
    return {user: ARMS[number].name for user, number in zip(users, numbers, strict=True)}


def run_trial(settings: Settings) -> set[str]:
    """Slates of `home` by the arms of `trial`, one of no arm, and one of an earlier run; `asked` names arms itself.

    Returns:
        Users who clicked.
    """
    ensure_topics(settings.bus)
    experiments = {
        name: Experiment(ARMS, kind, scenarios=("home",), layer=name)
        for name, kind in (
            ("trial", "ab"),
            ("asked", "ab"),
            ("aside", "shadow"),
            ("mix", "interleaving"),
            ("later", "ab"),
        )
    }
    experiments["aside"] = Experiment((Arm("plain"), Arm("bold", learning_rate=2.0)), "shadow", layer="aside")
    Experiments(settings, ManualClock(START)).apply(experiments)
    for name in ("trial", "asked", "aside", "mix"):
        Experiments(settings, ManualClock(START)).move(name, "start")
    chance, clicked = np.random.default_rng(4), set()
    producer = Producer({"bootstrap.servers": settings.bus.bootstrap})
    shown: list[Impression | Interaction] = [
        Impression("h-none", "nobody", NOW, ITEMS, "home"),
        Impression("h-v0", "v0", START - 50, ITEMS, "home", None, "bold", "trial"),
    ]
    for user, arm in users_by_arm(400).items():
        made = slate(user, f"h-{user}", "home", ITEMS, None)
        named = msgspec.structs.replace(made, experiment="trial", variant=arm, variant_propensity=0.5)
        producer.produce(f"{settings.bus.prefix}slates", msgspec.json.encode(named), user.encode())
        shown.append(Impression(named.slate_id, user, NOW, ITEMS, "home", None, arm, "trial"))
        shown.append(Impression(f"a-{user}", user, NOW, ITEMS, "search", None, arm, "asked"))
        if chance.random() < EARNS[arm]:
            clicked.add(user)
            shown.append(Interaction(user, "b", "click", NOW + 5))
    producer.flush(30)
    with Publisher(settings.bus, settings.ingest) as publisher:
        publisher.publish_all(shown)
    return clicked


def test_an_arm_is_judged_by_the_slates_that_chance_has_given_it(tansu_settings: Settings) -> None:
    late = tansu_settings.ingest.model_copy(update={"max_lateness_seconds": 3.0e8})
    settings = tansu_settings.model_copy(update={"ingest": late})
    clicked = run_trial(settings)

    def ope(policy: str, *more: str) -> Result:
        environment = addresses(settings) | {"STREAM_REC__INGEST__MAX_LATENESS_SECONDS": "3e8"}
        words = ("ope", "--scenario", "home", "--policy", policy, *more)
        return CliRunner().invoke(app, words, env=environment)

    for arm in EARNS:
        told = json.loads(ope(f"trial/{arm}", "--json").stdout)
        of_arm = [user for user, own in users_by_arm(400).items() if own == arm]
        assert (told["slates"], told["left_out"]) == (400, 1)
        assert told["weights"]["slate"]["largest"] == 2.0
        assert told["weights"]["slate"]["effective"] == len(of_arm)
        clicks = len(clicked.intersection(of_arm))
        assert told["by_slate"]["IPS"][0] == pytest.approx(2 * clicks / 400)
        assert told["by_slate"]["SNIPW"][0] == pytest.approx(clicks / len(of_arm))
        assert told["by_slate"]["DR"][0] == pytest.approx(clicks / len(of_arm), rel=0.1)
        assert told["by_slate"]["logged"][0] == pytest.approx(len(clicked) / 400)
    shown = ope("trial/bold", "--clip", "1.5").stdout
    assert "0.5" in shown
    assert "% cut to 1.5" in shown
    refused = {
        "trial/bolt": "did you mean 'bold'?",
        "tral/bold": "did you mean 'trial'?",
        "aside/bold": "shown to nobody",
        "mix/bold": "every slate is of both arms",
        "later/bold": "has not begun",
        "asked/bold": "none of 401 slates shown since",
    }
    for policy, why in refused.items():
        told_why = ope(policy)
        assert told_why.exit_code != 0
        assert why in str(told_why.exception) or why in told_why.output, (policy, told_why)
    question = Question("search", "trial/bold", 0.0, 2e9)
    trial = Experiments(settings).one("trial").experiment
    with pytest.raises(ConfigError, match="changes no slate of scenario 'search'"):
        read_arm_log(settings, question, OfArm("trial", trial, "bold"))
    asked = msgspec.structs.replace(Experiments(settings).one("asked").experiment, scenarios=())
    with pytest.raises(ConfigError, match="another arm than chance has dealt"):
        read_arm_log(settings, question, OfArm("asked", asked, "bold"))
    bandit = msgspec.structs.replace(asked, kind="bandit")
    unknown = read_arm_log(settings, question, OfArm("asked", bandit, "bold"))
    with pytest.raises(ConfigError, match="of 400 of 400 slates nobody knows with which chance"):
        judge_arm(unknown.shown, OfArm("asked", bandit, "bold"))


def test_an_arm_of_a_bandit_is_judged_by_the_share_that_it_had_when_it_was_shown() -> None:
    """Its share grew in the better half of the day, so its mean by slate is too good; weighted slates know."""
    chance = np.random.default_rng(6)
    shown = []
    for share, earns in ((0.1, 0.2), (0.9, 0.6)):
        for user in range(2000):
            of_arm = int(chance.random() < share)
            reward = float(chance.random() < (earns if of_arm else 0.5))
            shown.append(ShownByArm(f"{share} {user}", of_arm, share if of_arm else 1 - share, reward))
    policy = OfArm("trial", Experiment(ARMS, "bandit", started=1.0), "bold")
    found = {each.estimator: each for each in judge_arm(shown, policy).by_slate}
    assert np.mean([each.reward for each in shown if each.arm]) > 0.5
    for name in ("IPS", "SNIPW", "DR"):
        assert found[name].low < 0.4 < found[name].high


def shown(n: int, wanted: tuple[str, ...], chances: tuple[float, ...]) -> Log:
    return Log([Shown(user, items, chances, (0.0, 1.0), wanted) for user, items, _ in explored(n, 3)])


def test_a_log_without_propensities_is_refused() -> None:
    with pytest.raises(ConfigError, match="have no propensity"):
        judge(shown(300, ("c", "b"), (float("nan"), 0.5)).shown, PLACES)


def test_a_policy_of_items_that_never_had_a_chance_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cannot judge this policy: the log has only 0\.0%"):
        judge(shown(300, ("x", "y"), (1 / 3, 1 / 2)).shown, PLACES)


def test_what_the_policy_has_not_in_its_slate_is_not_asked_for() -> None:
    judged = judge(shown(300, ("c",), (1 / 3, 1 / 2)).shown, PLACES)
    assert judged.by_slate[0].value == judged.by_place[0].value == 0.0
    assert judged.slates == 300

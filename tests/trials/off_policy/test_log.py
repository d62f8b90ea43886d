"""`ope` on a real log: a policy judged by slates in which chance had a say, and refusals."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from stream_rec.bus.topics import ensure_topics
from stream_rec.cli.app import app
from stream_rec.errors import ConfigError
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import AsOf, Impression, Interaction, Reason, Slate, SlateItem
from stream_rec.settings import Settings
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

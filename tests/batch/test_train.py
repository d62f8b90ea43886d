"""ALS on Spark, from a log to a vector space and a run of MLflow. Needs what `make setup` does not install."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_rec.batch import als, publishing, source, strengths, tracking
from stream_rec.batch.order import ALS_ALONE, HALF_LIVES_DAYS, MIXES, Mix, Order, best, standardised
from stream_rec.batch.people import People
from stream_rec.batch.popularity import Popularity
from stream_rec.batch.spark import session
from stream_rec.bus.topics import ensure_topics
from stream_rec.errors import ConfigError
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.decisions import ERASURE, MERGE, name_about
from stream_rec.schemas.records import Control, Interaction
from stream_rec.serve.client import Client
from stream_rec.settings import EventTypeSettings, Settings
from tests.cli.running import addresses, run

pytestmark = pytest.mark.batch

NOW = 1_700_000_000.0
PLAN = als.Plan(rank=4, iterations=5, holdout=0.2, k=5)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    with session("local[1]", "1g") as made:
        yield made


def two_tastes(n: int = 600) -> list[Interaction]:
    """Users of one half take items of one half; rated 5, and 1 what little they take of the other."""
    random = np.random.default_rng(1)
    events = []
    for at in range(n):
        user = int(random.integers(20))
        strays = random.random() < 0.05
        item = int(random.integers(10)) + 10 * ((user % 2) ^ strays)
        events.append(Interaction(f"u{user}", f"i{item}", "rating", NOW + at, value=1.0 if strays else 5.0))
    return events


@pytest.fixture
def logged(tansu_settings: Settings) -> Settings:
    ensure_topics(tansu_settings.bus)
    with Publisher(tansu_settings.bus, tansu_settings.ingest) as publisher:
        for event in two_tastes():
            publisher.send(event)
    return tansu_settings


def trained(spark: Any, settings: Settings, plan: als.Plan) -> als.Trained:
    with source.of_log(settings) as events:
        return als.train(spark.read.parquet(*events.paths), settings.engine.event_types, plan)


def test_items_of_one_taste_are_near_and_the_space_has_them(spark: Any, logged: Settings) -> None:
    found = trained(spark, logged, PLAN)
    assert sorted(found.items) == sorted(f"i{i}" for i in range(20))
    factors = dict(
        zip(found.items, found.factors / np.linalg.norm(found.factors, axis=1)[:, None], strict=True)
    )
    same = np.mean([factors["i1"] @ factors[f"i{i}"] for i in range(2, 10)])
    other = np.mean([factors["i1"] @ factors[f"i{i}"] for i in range(10, 20)])
    assert same > other + 0.3
    assert found.metrics["events"] == 600
    assert set(found.tried) == set(MIXES)
    assert found.order.mix == best(found.tried)
    assert found.order.popularity.shape == (20,)
    assert found.figures["first_hit_rate_als_1"] == found.tried[ALS_ALONE] > 0.3, "of 20 items 5 are shown"
    assert publishing.publish(found, logged, "als") == 20
    assert publishing.held(logged, "als") == ({*found.items}, 4)


def test_popularity_fades_by_event_time_and_knows_nothing_of_later_events(
    spark: Any, logged: Settings
) -> None:
    day = 86_400.0
    with Publisher(logged.bus, logged.ingest) as publisher:
        publisher.publish_all(
            [
                Interaction("u1", "i0", "click", NOW + 5 * day),
                Interaction("u1", "new", "click", NOW + 8 * day),
            ]
        )
    events = [
        *two_tastes(),
        Interaction("u1", "i0", "click", NOW + 5 * day),
        Interaction("u1", "new", "click", NOW + 8 * day),
    ]
    moments = [NOW + 300, NOW + 6 * day, NOW + 9 * day]
    items = ["new", *(f"i{at}" for at in range(20))]
    wanted = np.zeros((3, len(HALF_LIVES_DAYS), len(items)))
    for event in events:
        for row, moment in enumerate(moments):
            if event.ts < moment:
                weight = logged.engine.event_types[event.event_type].weight
                age = (moment - event.ts) / day / np.array(HALF_LIVES_DAYS)
                wanted[row, :, items.index(event.item_id)] += weight * np.exp2(-age)
    with source.of_log(logged) as files:
        rows = strengths.weighted(spark.read.parquet(*files.paths), logged.engine.event_types)
        found = Popularity(rows, [int(moment * 1e6) for moment in moments])
    assert found.of(items, slice(None)) == pytest.approx(standardised(wanted), abs=1e-4)
    assert found.of(["i3"], slice(1)).shape == (1, len(HALF_LIVES_DAYS), 1)


def test_ratings_are_fitted_and_their_error_is_measured(spark: Any, logged: Settings) -> None:
    metrics = trained(spark, logged, als.Plan(explicit=True, rank=4, iterations=5, holdout=0.2)).metrics
    assert 0 < metrics["mae"] <= metrics["rmse"] < 2
    assert 0 <= metrics["cold_share"] < 0.5


def test_users_of_a_fit_come_with_what_they_had_by_any_event(spark: Any, logged: Settings) -> None:
    """A block of a seller hides more than its item: who said it is not among them."""
    types = logged.engine.event_types | {"block": EventTypeSettings(meaning="never", hides="owner")}
    with Publisher(logged.bus, logged.ingest) as publisher:
        publisher.publish_all(
            [
                Interaction("u1", "i0", "dislike", NOW + 700),
                Interaction("u2", "i3", "block", NOW + 701),
                Interaction("u3", "only-disliked", "dislike", NOW + 702),
            ]
        )
    types |= {"dislike": EventTypeSettings(meaning="negative")}
    with source.of_log(logged) as events:
        found = als.train(spark.read.parquet(*events.paths), types, PLAN)
        blocks = list(found.user_blocks(7))
    assert [len(block.users) for block in blocks] == [7, 7, 5]
    assert found.latest_ts == NOW + 599
    had: dict[str, set[str]] = {}
    for event in two_tastes():
        had.setdefault(event.user_id, set()).add(event.item_id)
    had["u1"].add("i0")
    told = {
        user: {found.items[at] for at in row}
        for block in blocks
        for user, row in zip(block.users, block.had, strict=True)
    }
    del had["u2"]
    assert told == had
    for block in blocks:
        assert block.factors.shape == (len(block.users), PLAN.rank)
        wanted = (block.factors @ found.factors.T).argsort(axis=1)[:, -5:]
        for user, row in zip(block.users, wanted, strict=True):
            of_taste = [int(found.items[at][1:]) // 10 == int(user[1:]) % 2 for at in row]
            assert sum(of_taste) >= 4, "users want what their half wants"


def test_events_of_the_forgotten_are_left_out_and_those_of_visitors_are_their_users(
    spark: Any, logged: Settings
) -> None:
    with Publisher(logged.bus, logged.ingest) as publisher:
        publisher.publish_all(
            [
                Control(ERASURE, name_about("u0"), NOW, {}),
                Control(MERGE, name_about("u1"), NOW, {"user_id": "u3"}),
                Control(MERGE, name_about("u5"), NOW, {"user_id": "u0"}),
                Control(MERGE, name_about("u7"), NOW, {"user_id": "elsewhere"}),
            ]
        )
    with source.of_log(logged) as events:
        before = spark.read.parquet(*events.paths)
        n = {row[0]: row[1] for row in before.groupBy("user_id").count().collect()}
        after = {
            row[0]: row[1] for row in People.read(logged).applied(before).groupBy("user_id").count().collect()
        }
    n["u3"] += n.pop("u1")
    n["elsewhere"] = n.pop("u7")
    del n["u0"], n["u5"]
    assert after == n


def test_one_command_trains_and_writes_slates(logged: Settings, redis_url: str, tmp_path: Path) -> None:
    report = tmp_path / "found.json"
    settings = logged.model_copy(update={"store": logged.store.model_copy(update={"url": redis_url})})
    flags = (
        "--log",
        "--rank",
        "2",
        "--iterations",
        "1",
        "--holdout",
        "0",
        "--memory",
        "1g",
        "--master",
        "local[1]",
    )
    done = run(
        *("batch", "train", *flags, "--slates", "default", "--json", str(report)),
        environment=addresses(settings),
        deadline_seconds=280.0,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "slates of default: 20 written, 0 left because the stream knows them, 0 users without" in done.stdout
    )
    assert "order of slates: 0.25 ALS + 0.75 popularity (half-life 7 d), as nobody was there" in done.stdout
    told = json.loads(report.read_text())
    assert (told["slates_written"], told["slates_left"], told["slates_without"]) == (20, 0, 0)
    with Client(settings.store) as client:
        found = client.recommendations("u4")
    assert found.slate is not None
    assert found.slate.model == f"als@{told['data_digest']}"
    assert {each.reason.source for each in found.items} == {"batch"}


def test_events_that_say_no_interest_are_left_out(spark: Any, logged: Settings) -> None:
    types = logged.engine.event_types | {
        "rating": logged.engine.event_types["rating"].model_copy(update={"meaning": "negative"})
    }
    with source.of_log(logged) as events, pytest.raises(ConfigError, match="no event says interest"):
        als.train(spark.read.parquet(*events.paths), types, PLAN)


def test_a_training_is_a_run_and_a_challenger(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    url = f"sqlite:///{tmp_path}/mlflow.db"
    found = als.Trained(
        ["a", "b"],
        np.eye(2, dtype=np.float32),
        Order(Mix(0.25, 7.0), np.zeros(2, np.float32)),
        metrics={"hit_rate_at_20": 0.5},
        tried={Mix(0.25, 7.0): 0.4},
    )
    first = tracking.record(found, {"rank": 2, "data_digest": "x"}, url=url, model="als")
    again = tracking.record(found, {"rank": 2, "data_digest": "y"}, url=url, model="als")
    client = mlflow.MlflowClient()
    challenger = client.get_model_version_by_alias("als", tracking.CHALLENGER)
    assert (challenger.run_id, str(challenger.version)) == (again.run_id, again.version)
    run = client.get_run(first.run_id)
    assert run.data.metrics == {
        "hit_rate_at_20": 0.5,
        "als_share": 0.25,
        "popularity_half_life_days": 7.0,
        "first_hit_rate_als_0.25_days_7": 0.4,
    }
    assert run.data.params == {"rank": "2", "data_digest": "x"}
    assert [file.path for file in client.list_artifacts(first.run_id)] == ["factors.npz"]
    assert [file.name for file in (tmp_path / "mlartifacts").rglob("*.npz")] == ["factors.npz"] * 2

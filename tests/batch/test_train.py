"""ALS on Spark, from a log to a vector space and a run of MLflow. Needs what `make setup` does not install."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_rec.batch import als, publishing, source, tracking
from stream_rec.batch.spark import session
from stream_rec.bus.topics import ensure_topics
from stream_rec.errors import ConfigError
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Interaction
from stream_rec.settings import Settings

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
    assert publishing.publish(found, logged, "als") == 20
    assert publishing.held(logged, "als") == ({*found.items}, 4)


def test_ratings_are_fitted_and_their_error_is_measured(spark: Any, logged: Settings) -> None:
    metrics = trained(spark, logged, als.Plan(explicit=True, rank=4, iterations=5, holdout=0.2)).metrics
    assert 0 < metrics["mae"] <= metrics["rmse"] < 2
    assert 0 <= metrics["cold_share"] < 0.5


def test_events_that_say_no_interest_are_left_out(spark: Any, logged: Settings) -> None:
    types = logged.engine.event_types | {
        "rating": logged.engine.event_types["rating"].model_copy(update={"meaning": "negative"})
    }
    with source.of_log(logged) as events, pytest.raises(ConfigError, match="no event says interest"):
        als.train(spark.read.parquet(*events.paths), types, PLAN)


def test_a_training_is_a_run_and_a_challenger(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    url = f"sqlite:///{tmp_path}/mlflow.db"
    found = als.Trained(["a", "b"], np.eye(2, dtype=np.float32), {"hit_rate_at_20": 0.5})
    first = tracking.record(found, {"rank": 2, "data_digest": "x"}, url=url, model="als")
    again = tracking.record(found, {"rank": 2, "data_digest": "y"}, url=url, model="als")
    client = mlflow.MlflowClient()
    challenger = client.get_model_version_by_alias("als", tracking.CHALLENGER)
    assert (challenger.run_id, str(challenger.version)) == (again.run_id, again.version)
    run = client.get_run(first.run_id)
    assert run.data.metrics == {"hit_rate_at_20": 0.5}
    assert run.data.params == {"rank": "2", "data_digest": "x"}
    assert [file.path for file in client.list_artifacts(first.run_id)] == ["factors.npz"]
    assert [file.name for file in (tmp_path / "mlartifacts").rglob("*.npz")] == ["factors.npz"] * 2

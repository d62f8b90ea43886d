"""Models are loaded beside the engine, asked within their time, and left out where they fail: each slate is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.clock import ManualClock
from stream_rec.errors import ConfigError
from stream_rec.rerank import OUTCOMES
from stream_rec.rerank.rerankers import Rerankers
from stream_rec.schemas.scenario import Rerank
from stream_rec.settings import RerankSettings
from tests.rerank.models import endless, not_a_number, put, upside_down
from tests.rerank.test_model import candidates
from tests.waiting import wait_until


def of(folder: Path, clock: ManualClock, *, waits: bool = True, **more: object) -> Rerankers:
    return Rerankers(RerankSettings.model_validate({"url": str(folder), **more}), clock, waits=waits)


def counted(models: Rerankers) -> dict[str, int]:
    return {name: int(models.stats()[f"rerank_{name}"]) for name in OUTCOMES}


def ask(models: Rerankers, rerank: Rerank) -> list[float] | None:
    found = models.scores(rerank, candidates())
    return None if found is None else found.tolist()


def test_until_a_model_is_loaded_slates_go_without(tmp_path: Path) -> None:
    models = of(tmp_path, ManualClock(), waits=False)
    rerank = put(tmp_path, "m.onnx", upside_down())
    models.want([rerank])
    wait_until(lambda: ask(models, rerank) == [-3, -2, -1, 0], deadline_seconds=60)
    found = counted(models)
    assert found["reranked"] == 1
    assert found["failed"] == found["late"] == 0


def test_a_model_that_takes_too_long_is_left_alone_for_a_while(tmp_path: Path) -> None:
    clock = ManualClock()
    models = of(tmp_path, clock, late_in_a_row=3, rest_seconds=1.0)
    rerank = put(tmp_path, "endless.onnx", endless(), budget_ms=5.0)
    assert [ask(models, rerank) for _ in range(5)] == [None] * 5
    assert counted(models) | {"late": 3, "resting": 2} == counted(models)
    clock.advance(1.0)
    assert ask(models, rerank) is None
    assert counted(models)["late"] == 4
    other = put(tmp_path, "quick.onnx", upside_down())
    assert ask(models, other) == [-3, -2, -1, 0], "others have threads of their own"


def test_scores_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    models = of(tmp_path, ManualClock(), waits=False)
    rerank = put(tmp_path, "nan.onnx", not_a_number())
    wait_until(lambda: ask(models, rerank) is None and counted(models)["failed"] > 0, deadline_seconds=60)
    assert counted(models)["reranked"] == 0


@pytest.mark.parametrize(
    ("rerank", "says"),
    [
        (Rerank("missing.onnx", "0" * 64), "there is no file missing.onnx in rerank.url"),
        (Rerank("m.onnx", "0" * 64), "its sha256 is .*, and the scenario says 000"),
    ],
)
def test_another_file_than_was_meant_is_not_loaded(tmp_path: Path, rerank: Rerank, says: str) -> None:
    put(tmp_path, "m.onnx", upside_down())
    with pytest.raises(ConfigError, match=says):
        ask(of(tmp_path, ManualClock()), rerank)


def test_without_a_folder_no_model_is_loaded() -> None:
    with pytest.raises(ConfigError, match="there is no folder of models"):
        ask(Rerankers(RerankSettings(), ManualClock(), waits=True), Rerank("m.onnx", "0" * 64))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    rerank = put(tmp_path, "large.onnx", bytes(2000))
    with pytest.raises(ConfigError, match="more than 1,024 bytes"):
        ask(of(tmp_path, ManualClock(), max_model_bytes=1024), rerank)


def test_a_model_that_could_not_be_loaded_is_tried_again(tmp_path: Path) -> None:
    clock = ManualClock()
    models = of(tmp_path, clock, waits=False, retry_seconds=30.0)
    data = upside_down()
    rerank = put(tmp_path, "m.onnx", data)
    (tmp_path / "m.onnx").unlink()
    wait_until(lambda: ask(models, rerank) is None and counted(models)["failed"] > 0, deadline_seconds=60)
    put(tmp_path, "m.onnx", data)
    assert ask(models, rerank) is None
    clock.advance(30.0)
    wait_until(lambda: ask(models, rerank) is not None, deadline_seconds=60)


def test_models_in_memory_have_a_bound(tmp_path: Path) -> None:
    clock = ManualClock()
    models = of(tmp_path, clock, max_models=1, retry_seconds=30.0)
    one, other = (put(tmp_path, name, upside_down()) for name in ("one.onnx", "other.onnx"))
    assert ask(models, one) is not None
    assert ask(models, other) is None, "one is in use"
    assert counted(models)["failed"] == 1
    clock.advance(30.0)
    assert ask(models, other) is not None

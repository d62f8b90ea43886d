"""What a training reads, and what it publishes: without Spark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stream_rec.batch import publishing, source
from stream_rec.batch.als import Trained
from stream_rec.bus.topics import ensure_topics
from stream_rec.errors import ConfigError
from stream_rec.settings import DataSettings, Settings
from stream_rec.sink.folder import SinkFolder
from tests.sink.logs import clicks, publish, with_sink
from tests.sink.test_names import data_file


def put(settings: Settings, first: int, last: int) -> None:
    folder, file = SinkFolder(settings.sink), data_file(first, last)
    folder.stage(file, pl.DataFrame({"offset": range(first, last + 1)}))
    folder.publish(file)


def test_the_digest_goes_by_offsets_not_by_files(tansu_settings: Settings, tmp_path: Path) -> None:
    small, whole = (with_sink(tansu_settings, str(tmp_path / name)) for name in ("small", "whole"))
    put(small, 0, 9)
    half = source.of_sink(small).digest
    put(small, 10, 19)
    put(whole, 0, 19)
    assert source.of_sink(small).digest == source.of_sink(whole).digest != half
    assert len(source.of_sink(small).paths) == 2


def test_an_empty_folder_says_what_to_do(tansu_settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no events in"):
        source.of_sink(with_sink(tansu_settings, str(tmp_path)))


def test_the_log_is_read_whole_and_its_files_go_afterwards(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    publish(tansu_settings, clicks(30))
    with source.of_log(tansu_settings) as events:
        assert pl.read_parquet(events.paths).height == 30
    assert not any(Path(path).exists() for path in events.paths)


def test_a_data_set_by_name_is_read_whole_and_its_files_go_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "goodbooks-10k" / "ratings.csv"
    path.parent.mkdir()
    path.write_text("user_id,book_id,rating\n1,258,5\n,17,2\n2,4081,4\n")
    settings = Settings(data=DataSettings(folder=str(tmp_path)))
    with source.of_data("goodbooks-10k", settings) as events:
        found = pl.read_parquet(events.paths)
        columns = ["user_id", "item_id", "event_type", "value", "partition"]
        assert found[columns].rows() == [("1", "258", "rating", 5.0, 0), ("2", "4081", "rating", 4.0, 0)]
        assert found["offset"].is_sorted()
        assert found["ts"].dtype == pl.Datetime("us", "UTC")
        digest = events.digest
    assert not any(Path(each).exists() for each in events.paths)
    with source.of_data("goodbooks-10k", settings) as again:
        assert again.digest == digest
    with pytest.raises(ConfigError, match="neither a file nor a data set"), source.of_data("none", settings):
        pass


def test_factors_replace_a_space(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    three = Trained(["a", "b", "c"], np.array([[1, 0], [0, 1], [0, 0]], np.float32))
    assert publishing.publish(three, tansu_settings, "als") == 2  # zeros have no angle
    assert publishing.held(tansu_settings, "als") == ({"a", "b"}, 2)
    assert publishing.publish(Trained(["b"], np.ones((1, 2), np.float32)), tansu_settings, "als") == 1
    assert publishing.held(tansu_settings, "als") == ({"b"}, 2)
    with pytest.raises(ConfigError, match="has vectors of 2 numbers, these have 3"):
        publishing.publish(Trained(["b"], np.ones((1, 3), np.float32)), tansu_settings, "als")

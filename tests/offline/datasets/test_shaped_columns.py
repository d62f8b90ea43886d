"""A shape's paths against the columns and members that files have: a slip of the pen must not say anything of items."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from structlog.testing import capture_logs

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.mapping import ColumnMapping
from stream_rec.offline.datasets.reading import Reading, open_path
from stream_rec.offline.datasets.shaped_items import read_shaped_items
from stream_rec.settings import IngestSettings, ShapeSettings
from tests.workbook import write_workbook

ITEMS = {"item_id": "SKU", "available": "(Stock > 0)"}
MISSPELT = {"item_id": "SKU", "available": "(Stokc > 0)"}
ROWS = [{"SKU": "a", "Name": "Hat", "Stock": 3}, {"SKU": "b", "Name": "Cap", "Stock": 0}]


def _available(
    file: Path, paths: dict[str, str], told: list[str] | None = None, **more: object
) -> list[bool | None]:
    shape = ShapeSettings.model_validate({"items": paths, **more})
    rows = read_shaped_items(file, shape, "feed", IngestSettings(), told)
    return [row.item.available if row.item else None for row in rows]


def _written(folder: Path, kind: str) -> Path:
    file, frame = folder / f"feed.{kind}", pl.DataFrame(ROWS)
    match kind:
        case "csv" | "tsv":
            frame.write_csv(file, separator="," if kind == "csv" else "\t")
        case "parquet":
            frame.write_parquet(file)
        case "avro":
            frame.write_avro(file)
        case "xlsx":
            write_workbook(file, [frame.columns, *frame.rows()])
        case "json":
            file.write_text(json.dumps(ROWS))
    return file


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "avro", "xlsx", "json"])
def test_a_path_that_names_no_column_is_refused_with_the_name_that_was_meant(
    tmp_path: Path, kind: str
) -> None:
    file = _written(tmp_path, kind)
    assert _available(file, ITEMS) == [True, False]
    with pytest.raises(ConfigError, match=r"no column Stokc \(did you mean Stock\?\)") as caught:
        _available(file, MISSPELT)
    assert "SKU, Name, Stock" in caught.value.fix


def test_a_column_that_one_file_of_a_folder_has_is_there(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("SKU\na\n")
    (tmp_path / "2.csv").write_text("SKU,Name\nb,Hat\n")
    assert _available(tmp_path, {"item_id": "SKU", "title": "Name"}) == [True, True]


def test_an_alternative_that_is_missing_is_told_and_the_other_is_taken(tmp_path: Path) -> None:
    file = _written(tmp_path, "csv")
    with capture_logs() as said:
        assert _available(file, {**ITEMS, "item_id": "SKUU || SKU"}) == [True, False]
    assert "there is no column SKUU (did you mean SKU?)" in said[0]["event"]
    with pytest.raises(ConfigError, match=r"no column SKUU .*; .*no column id"):
        _available(file, {**ITEMS, "item_id": "SKUU || id"})


def test_a_presets_own_alternatives_need_not_be_there(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id,ts\nu,i,1700000000\n")
    reading = Reading("own", shapes={"own": ShapeSettings(preset="native")})
    assert (
        sum(chunk.log.height for chunk in open_path(tmp_path / "log.csv", ColumnMapping(), reading).chunks())
        == 1
    )


def test_a_log_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("who,what,at\nu,i,1700000000\n")
    shape = ShapeSettings(events={"user_id": "who", "item_id": "waht", "ts": "at"})
    with pytest.raises(ConfigError, match=r"no column waht \(did you mean what\?\)"):
        open_path(tmp_path / "log.csv", ColumnMapping(), Reading("own", shapes={"own": shape}))


def test_a_member_that_no_line_of_json_has_is_told_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "feed.jsonl"
    lines = [{"payload": {"sku": "a", "id": 1}}, {"payload": {"id": 2, "stock": 0}}]
    file.write_text("\n".join(map(json.dumps, lines)))
    told: list[str] = []
    paths = {"item_id": "payload.skuu || payload.id", "title": "payload.sku"}
    assert _available(file, paths, told) == [True, True]
    assert told == ["items.item_id: none of the 2 records has payload.skuu (did you mean payload.sku?)"]


def test_another_separator_is_named(tmp_path: Path) -> None:
    file = tmp_path / "feed.csv"
    file.write_text("SKU;Stock;Price\na;3;12,90\nb;0;8,00\n")
    with pytest.raises(ConfigError, match=r"not separated by ',': the separator looks like ';'") as caught:
        _available(file, ITEMS)
    assert 'separator = ";"' in caught.value.fix
    with pytest.raises(ConfigError, match="the separator looks like ';'"):
        _available(file, ITEMS, columns=["SKU", "Stock", "Price"])
    assert _available(file, ITEMS, separator=";") == [True, False]

"""docs/your-data.md: the tables are the code's, and the commands do what the page says."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from stream_rec.schemas.records import Item
from stream_rec.settings import Settings
from stream_rec.shapes.mapper import Mapper, compile_shape
from stream_rec.shapes.messages import RawMessage

ROOT = Path(__file__).parents[2]


def test_the_tables_are_the_codes() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "shapes_doc.py"), "--check"], check=False, timeout=120
    )
    assert checked.returncode == 0, "docs/your-data.md is stale: run `make docs`"


def test_the_shapes_of_the_page_can_be_used() -> None:
    page = (ROOT / "docs" / "your-data.md").read_text()
    tables = [block.split("```")[0] for block in page.split("```toml\n")[1:]]
    shapes = [
        each for table in tables for each in Settings.model_validate(tomllib.loads(table)).shapes.items()
    ]
    assert [name for name, _ in shapes] == ["shop", "products", "shop", "web", "returns", "web"]
    for name, shape in shapes:
        compile_shape(shape, name)
    row = {"SKU": "a", "Name": "A", "Category": "shoes", "Price": "1.234,56", "Stock": "0", "Colour": "red"}
    products = dict(shapes)["products"]
    assert Mapper(products, "products").of_object(row, RawMessage(b"")) == [
        Item("a", "A", ("shoes",), available=False, price=1234.56, attributes={"colour": "red"})
    ]

"""The names of keys, and the page that explains them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from stream_rec.schemas.records import Slate
from stream_rec.store.keys import NEVER, Keys

PAGE = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
KEYS = Keys("")
MADE = {
    KEYS.slate("home", "<user_id>").replace("home", "<scenario>"),
    KEYS.slate(NEVER, "<user_id>"),
    KEYS.top("popular"),
    KEYS.top("trending"),
    KEYS.top("new"),
    KEYS.similar("<item_id>"),
    KEYS.scenario_list("<scenario>"),
    KEYS.removed,
    KEYS.removed_of("<scenario>"),
    KEYS.marker(7).replace("7", "<partition>"),
    KEYS.workers,
    KEYS.scenarios,
    KEYS.metrics("<worker>"),
    KEYS.forgotten("<user hash>"),
    KEYS.api_keys,
    KEYS.catalogue,
}


def test_the_page_lists_every_key_and_no_other() -> None:
    (section,) = re.findall(r"^## Keys\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)
    assert set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)) == MADE


def test_the_slate_on_the_page_is_a_slate() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    slate = msgspec.json.decode(example, type=Slate)
    assert msgspec.json.encode(slate).decode() == json.dumps(json.loads(example), separators=(",", ":"))


@pytest.mark.parametrize("prefix", ["", "shop:", "{one-slot}:"])
def test_the_prefix_stands_before_every_key_as_it_is(prefix: str) -> None:
    keys = Keys(prefix)
    made = [keys.slate("home", "a:b"), keys.top("new"), keys.similar("{x}"), keys.removed, keys.workers]
    made += [keys.marker(3), keys.metrics("host")]
    expected = ["rec:home:a:b", "new", "similar:{x}", "removed", "workers", "marker:3", "metrics:host"]
    assert made == [prefix + name for name in expected]


def test_no_key_has_braces_of_its_own() -> None:
    assert not any("{" in name or "}" in name for name in MADE)

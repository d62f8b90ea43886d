"""docs/move-from-*.md: their data comes along as said, and every call of ours that a page shows is answered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.schemas.records import Interaction, Item
from stream_rec.settings import Settings, load
from tests.api.serving import live, served, until_ready
from tests.cli.running import addresses
from tests.docs.test_readme import Terminals
from tests.reading import records
from tests.waiting import wait_until

PAGES = sorted((Path(__file__).parents[2] / "docs").glob("move-from-*.md"))
_BLOCK = re.compile(r"(?:`([\w.-]+\.jsonl?)`[^\n]*\n)?^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CALL = re.compile(
    r"`(GET|POST|PUT|PATCH|DELETE) (/(?:v1/|healthz|readyz|metrics)[^`]*)`(?: `([\[{][^`]*)`)?"
)
EVENTS = {
    "move-from-gorse": [("eve", "star"), ("bob", "star"), ("eve", "star"), ("bob", "read")],
    "move-from-metarank": [("ann", "click"), ("ann", "like")],
    "move-from-recombee": [("ann", "purchase"), ("bob", "purchase"), ("bob", "view")],
}


class Call(NamedTuple):
    """One of ours."""

    method: str
    path: str
    body: str


def calls(text: str) -> list[Call]:
    """Those of the column that is ours, in the page's order; but what a later one needs is decided first."""
    found: list[Call] = []
    for line in text.splitlines():
        cells = line.split(" | ")
        if line.startswith("| ") and len(cells) > 1:
            found += [Call(*match) for match in _CALL.findall(cells[1])]
    return sorted(found, key=lambda each: not each.path.startswith("/v1/scenarios/"))


def send(http: httpx.Client, call: Call) -> httpx.Response:
    path, _, query = call.path.partition("?")
    pairs = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair) if "&&" not in query else {}
    if "&&" in query:
        name, _, value = query.partition("=")
        pairs = {name: value}
    return http.request(call.method, path, params=pairs, content=call.body or None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_data_comes_along_and_every_call_is_answered(
    page: Path, tansu_settings: Settings, tmp_path: Path
) -> None:
    text, own = page.read_text(), addresses(tansu_settings)
    blocks = _BLOCK.findall(text)
    (tmp_path / "stream-rec.toml").write_text("\n".join(body for _, kind, body in blocks if kind == "toml"))
    for name, kind, body in blocks:
        if kind == "json":
            (tmp_path / name).write_text(body)
    settings, _ = load(file=tmp_path / "stream-rec.toml", environment=own)
    ensure_topics(settings.bus)
    with ExitStack() as running:
        terminals = Terminals(tmp_path, running, **own)
        for line in _commands(blocks):
            terminals.type(line)
        events = records(settings.bus, "events", Interaction)
        assert sorted((each.user_id, each.event_type) for each in events) == sorted(EVENTS[page.stem])
        titles = {each.item_id: each.title for each in records(settings.bus, "items", Item)}
        assert titles["film-1"] == "Toy Story" and titles["film-2"] == "Heat"
        url = running.enter_context(served(live(settings)))
        http = until_ready(running.enter_context(httpx.Client(base_url=url, timeout=60)))
        wait_until(lambda: _knows(http), 120, "the catalogue to be learned")
        for call in calls(text):
            answer = wait_until(lambda call=call: _answered(send(http, call)), 120, f"an answer to {call}")
            assert answer.status_code < 300, f"{call}\n{answer.text}"
            if call.path.startswith("/v1/events/batch"):
                assert answer.json()["refused"] == 0


def test_each_page_has_calls_and_its_bodies_are_json() -> None:
    for page in PAGES:
        found = calls(page.read_text())
        assert len(found) > 15
        assert {each.path.split("?")[0] for each in found} >= {"/v1/events", "/v1/items/film-1/similar"}
        for each in found:
            json.loads(each.body or "null")


def _commands(blocks: list[tuple[str, str, str]]) -> Iterator[str]:
    for _, kind, body in blocks:
        if kind == "sh":
            yield from body.splitlines()


def _knows(http: httpx.Client) -> bool:
    found = http.get("/v1/users/nobody/recommendations", params={"filter": "'animation' in tags"})
    return bool(found.json().get("items"))


def _answered(answer: httpx.Response) -> httpx.Response | None:
    """None = not yet: a scenario that was just decided is still being learned."""
    return None if answer.status_code == 404 and "scenario" in answer.text else answer

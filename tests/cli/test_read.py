"""`recommend` and `similar` show what is in Redis, with reasons."""

from __future__ import annotations

import json

import msgspec
import pytest
import redis

from stream_rec.schemas.records import AsOf, Reason, Slate, SlateItem
from stream_rec.store.encoding import encode_list
from tests.cli.running import run

AS_OF = AsOf("log", 3, 41, 1_700_000_000_000, 1_700_000_000.0)


@pytest.fixture
def filled(redis_url: str) -> dict[str, str]:
    """A slate for `ann`, a popular list, and neighbours of item `a`; the environment that leads there."""
    items = (
        SlateItem("a", 0.9, Reason("neighbours", "z")),
        SlateItem("[red]b\x1b[0m", 0.5, Reason("popularity")),
    )
    slate = Slate(AS_OF, "ann", "default", "s-1", "m1", 1_700_000_001.0, items)
    top = encode_list(["p"], [2.0], as_of=AS_OF, model="m1", created_ts=0.0)
    with redis.Redis.from_url(redis_url) as client:
        client.set("rec:default:ann", msgspec.json.encode(slate))
        client.set("popular", top)
        client.set("similar:a", top)
    return {"STREAM_REC__STORE__URL": redis_url}


def test_a_slate_is_shown_with_reasons_and_what_it_knows(filled: dict[str, str]) -> None:
    shown = run("recommend", "ann", environment=filled)
    assert shown.returncode == 0, shown.stderr
    head, _, first, second = shown.stdout.splitlines()
    assert head == "ann: as of events/3 offset 41, slate s-1"
    assert first.split() == ["1", "a", "0.900", "neighbours,", "from", "z"]
    assert "[red]b\N{REPLACEMENT CHARACTER}[0m" in second, "ids are neither markup nor control characters"


def test_as_json_it_is_the_answer_and_the_whole_slate(filled: dict[str, str]) -> None:
    answer = json.loads(run("recommend", "ann", "--json", "-k", "1", environment=filled).stdout)
    assert answer["origin"] == "personal"
    assert [item["item_id"] for item in answer["items"]] == ["a"]
    assert answer["slate"]["as_of"]["offset"] == 41


def test_a_user_without_a_slate_gets_what_is_popular(filled: dict[str, str]) -> None:
    shown = run("recommend", "stranger", environment=filled).stdout
    assert "no slate, so what is popular" in shown
    assert shown.splitlines()[-1].split()[:2] == ["1", "p"]


def test_an_empty_redis_says_so(redis_url: str) -> None:
    shown = run("recommend", "ann", "--set", f"store.url={redis_url}")
    assert shown.returncode == 0
    assert "nothing has been learned yet" in shown.stdout


def test_a_filter_that_lets_nothing_through_is_why_nothing_is_shown(
    filled: dict[str, str], redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.zadd("scenarios", {"default": 2e9, "home": 2e9, "mail": 2e9})
        for name, reach in (("home", (0, 20)), ("mail", (3, 20))):
            client.set(
                f"list:{name}",
                encode_list([], [], as_of=AS_OF, model="m1", created_ts=0.0, changed=1, reach=reach),
            )
    said = {
        name: " ".join(run("recommend", "ann", "--scenario", name, environment=filled).stdout.split())
        for name in ("home", "mail")
    }
    assert "ann: the filter of scenario home lets none of 20 items through" in said["home"]
    assert "ann: nothing of what scenario mail may show is left" in said["mail"]


def test_similar_items_are_listed_and_an_unknown_item_is_said_to_be_unknown(filled: dict[str, str]) -> None:
    known = run("similar", "a", environment=filled).stdout
    assert known.splitlines()[-1].split()[:2] == ["1", "p"]
    assert "unknown" in run("similar", "q", environment=filled).stdout


def test_a_redis_that_is_away_is_exit_code_3_and_names_the_address() -> None:
    refused = run("recommend", "ann", "--set", "store.url=redis://:hunter2@127.0.0.1:9/0")
    assert refused.returncode == 3
    assert "127.0.0.1:9" in refused.stderr
    assert "hunter2" not in refused.stderr
    assert "Traceback" not in refused.stderr

"""`replay-state` and `why`, on what a worker has left behind."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_rec.bus.lag import lag
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.consumers.worker import Worker
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.engine.engine import Engine
from stream_rec.schemas.records import Slate
from stream_rec.settings import BusSettings, JournalSettings, Settings, StoreSettings
from tests.cli.running import addresses, run
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import slates
from tests.consumers.serving import SMALL, SMALL_ENVIRONMENT, serve


class Past:
    """What a worker has learned and written, and is gone."""

    def __init__(self, tansu: str, redis_url: str, folder: Path) -> None:
        prefix = f"t{uuid.uuid4().hex[:10]}-"
        self.settings = Settings(
            bus=BusSettings(bootstrap=tansu, prefix=prefix, group=f"{prefix}g", session_timeout_seconds=3.0),
            store=StoreSettings(url=redis_url, prefix=prefix),
            engine=SMALL,
            journal=JournalSettings(folder=str(folder / "journal")),
        )
        ensure_topics(self.settings.bus)
        publish_events(self.settings.bus, clicks(2000))
        engine = Engine(self.settings.engine, self.settings.measure)
        assert serve(self.settings, engine, self._until_done) == 0
        self.digest, self.now = engine.digest(), str(SystemClock().now() + 60)
        found = slates(self.settings, ["u7"])["u7"]
        assert found is not None
        self.slate: Slate = found

    async def _until_done(self, _: Worker) -> None:
        while any(at.lag for at in await asyncio.to_thread(lag, self.settings.bus)):
            await asyncio.sleep(0.1)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **addresses(self.settings),
            **SMALL_ENVIRONMENT,
            "STREAM_REC__JOURNAL__FOLDER": self.settings.journal.folder,
        }


@pytest.fixture(scope="module")
def past(tansu: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    folder = tmp_path_factory.mktemp("past")
    with RedisServer.start(folder) as redis:
        yield Past(tansu, redis.url, folder)


def test_the_state_is_rebuilt_bit_for_bit_with_the_journal(past: Past) -> None:
    shown = run("replay-state", "--until", past.now, environment=past.environment)
    assert shown.returncode == 0, shown.stderr
    assert "identical, bit for bit" in shown.stdout
    assert past.digest in shown.stdout
    assert "events_learned: 2,000" in shown.stdout


def test_without_a_journal_it_says_equivalent_not_identical(past: Past) -> None:
    arguments = ("replay-state", "--until", past.now, "--journal", "")
    shown = run(*arguments, environment=past.environment).stdout
    assert "equivalent, not identical" in shown
    assert "merged by the broker's timestamps" in shown
    told = json.loads(run(*arguments, "--json", environment=past.environment).stdout)
    assert told["is_identical"] is False
    assert told["events_learned"] == 2000


def test_why_explains_every_place_of_the_slate_that_the_user_had(past: Past) -> None:
    """Rebuilt as of the event that the slate was made after, the engine makes the same slate again."""
    answer = json.loads(run("why", "u7", "--at", past.now, "--json", environment=past.environment).stdout)
    assert answer["slate"]["slate_id"] == past.slate.slate_id
    assert answer["is_identical"] is True
    shown = [item.item_id for item in past.slate.items]
    assert [item["item_id"] for item in answer["rebuilt"]] == shown
    assert [item["place"] for item in answer["items"]] == list(range(1, len(shown) + 1))
    for item, told in zip(past.slate.items, answer["items"], strict=True):
        assert told["score"] == pytest.approx(item.score, abs=1e-4)
        assert told["reason"]["source"] == item.reason.source


def test_why_prints_the_reasons_of_the_stored_slate(past: Past) -> None:
    shown = run("why", "u7", "--at", past.now, environment=past.environment)
    assert shown.returncode == 0, shown.stderr
    assert f"slate {past.slate.slate_id}" in shown.stdout
    for item in past.slate.items[:5]:
        (line,) = (line for line in shown.stdout.splitlines() if f" {item.item_id} " in line[:14])
        assert item.reason.source in line


def test_a_user_without_a_slate_then_and_a_time_that_is_none_are_said(past: Past) -> None:
    early = run("why", "u7", "--at", "2001-01-01T00:00:00Z", environment=past.environment)
    assert early.returncode == 2
    assert "no default slate of u7" in early.stderr
    assert "2001-01-01T00:00:00" in early.stderr
    wrong = run("replay-state", "--until", "yesterday", environment=past.environment)
    assert wrong.returncode == 2
    assert "'yesterday' is no time" in wrong.stderr

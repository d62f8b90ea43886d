"""What commands print fits a terminal of 80 columns: no line is longer, no table broken, no id cut."""

from __future__ import annotations

import io
import uuid
from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest
import redis
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from stream_rec.bus.topics import ensure_topics
from stream_rec.cli import time_travel
from stream_rec.cli.app import app, chosen
from stream_rec.cli.snapshot import _table as snapshot_table
from stream_rec.demo.report import Outcome, print_next, print_totals, print_user
from stream_rec.demo.view import Lines, LivePanel
from stream_rec.engine.answering.explain import Explained
from stream_rec.history.snapshots.store import SnapshotInfo
from stream_rec.history.time_travel.rebuild import Rebuilt
from stream_rec.schemas.records import Interaction, Reason, Slate, SlateItem
from stream_rec.serve.wishes import Recommendations
from stream_rec.settings import Settings
from stream_rec.store.encoding import encode_list
from tests.cli.running import addresses, run
from tests.cli.test_demo import FIGURES
from tests.cli.test_read import AS_OF

WIDE = 80
IDS = [str(uuid.UUID(int=7919**n)) for n in range(1, 9)]
USER = str(uuid.UUID(int=4711))
NARROW = {"COLUMNS": str(WIDE)}


def commands(at: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group, by what is typed."""
    yield path
    for name, below in getattr(at, "commands", {}).items():
        yield from commands(below, (*path, name))


def assert_fits(text: str) -> None:
    assert text.strip()
    assert [line for line in text.splitlines() if len(line) > WIDE] == []
    assert "…" not in text, "something is cut"


@pytest.mark.parametrize("command", list(commands(get_command(app))), ids=" ".join)
def test_help(command: tuple[str, ...]) -> None:
    words = [*command, "--help"]
    shown = CliRunner().invoke(chosen(words), words, env=NARROW)
    assert shown.exit_code == 0
    assert_fits(shown.output)


@pytest.fixture
def filled(redis_url: str) -> dict[str, str]:
    """Ids as shops have them: 36 characters each."""
    items = tuple(
        SlateItem(item, 1.0 - n / 10, Reason("item_neighbours", IDS[-n]))
        for n, item in enumerate(IDS, start=1)
    )
    slate = Slate(AS_OF, USER, "default", "50cff9bf5b19b2d5-0", "1", 1_700_000_001.0, items)
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"rec:default:{USER}", msgspec.json.encode(slate))
        client.set(f"similar:{IDS[0]}", encode_list(IDS, [2.0] * 8, as_of=AS_OF, model="m1", created_ts=0.0))
    return {"STREAM_REC__STORE__URL": redis_url} | NARROW


def test_recommend_and_similar(filled: dict[str, str]) -> None:
    for arguments in (("recommend", USER), ("similar", IDS[0])):
        shown = run(*arguments, environment=filled, deadline_seconds=240)
        assert shown.returncode == 0, shown.stderr
        assert_fits(shown.stdout)
        assert all(item in shown.stdout.split() for item in IDS)


def test_settings() -> None:
    shown = run("settings", "--set", "bus.group=shop", environment=NARROW)
    assert_fits(shown.stdout)
    assert "consumer group of the workers" in shown.stdout


def test_lag(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    shown = run("lag", "--interval", "0.1", environment=addresses(tansu_settings) | NARROW)
    assert shown.returncode == 0, shown.stderr
    assert_fits(shown.stdout)
    assert f"{tansu_settings.bus.prefix}events" in shown.stdout or "events" in shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["recommend", "ann"],
        ["recommend", "ann", "--set", "store.url=redis://127.0.0.1:9/0"],
        ["demo", "--json", "/nowhere/figures.json"],
        ["settings", "--set", "bus.bootstap=x:1"],
        ["evaluate", "--data", "nowhere"],
        ["snapshot", "list"],
        ["why", "ann", "--scenario", "home", "--set", "bus.bootstrap=127.0.0.1:9"],
        ["replay-state", "--until", "yesterday", "--set", "bus.bootstrap=127.0.0.1:9"],
        ["bench", "chaos", "--mutate", "nonsense"],
        ["lag", "--nonsense"],
    ],
    ids=" ".join,
)
def test_errors(arguments: list[str]) -> None:
    refused = run(*arguments, environment=NARROW, deadline_seconds=240)
    assert refused.returncode in (2, 3)
    assert_fits(refused.stderr)


def test_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDE))
    problem = "state 'neighbours.codes' does not fit: int32[2048, 250] where the bounds give int32[4096, 250]"
    infos = [
        SnapshotInfo("20261128T101112345Z-0a1b", 1_700_000_000.0, n_events=1_234_567_890, size=5 << 30),
        SnapshotInfo("20261128T101112345Z-0a1c", 1_700_000_000.0, problem=problem),
    ]
    text = "\n".join(snapshot_table(infos))
    assert_fits(text)
    assert all(info.name in text for info in infos)
    assert " ".join(text.split()).endswith(problem)


def test_why(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDE))
    items = tuple(SlateItem(item, 0.5, Reason("item_neighbours", IDS[-1])) for item in IDS)
    parts = {"transitions": 0.41, "item_neighbours": 0.234, "factorization": -0.11, "context": 0.02}
    told = [
        Explained(item, n, 0.5, Reason("item_neighbours", IDS[0]), parts) for n, item in enumerate(IDS, 1)
    ]
    found = Rebuilt(None, "", "", Counter(), 0, 0, 0, ["the journal begins after the snapshot " * 3])  # type: ignore[arg-type]
    slate = Slate(AS_OF, USER, "default", "50cff9bf5b19b2d5-0", "1", 1_700_000_001.0, items)
    time_travel._print_why(slate, found, told, IDS)
    text = capsys.readouterr().out
    assert_fits(text)
    assert all(item in text for item in IDS)


def test_demo() -> None:
    console = Console(width=WIDE, file=io.StringIO(), record=True)
    items = tuple(SlateItem(item, 0.5, Reason("item_neighbours", IDS[-1])) for item in IDS)
    events = [Interaction(USER, item, "purchase", 1.0) for item in IDS]
    Lines(console).show(FIGURES)
    panel = LivePanel("stream-rec demo: movielens-100k")
    for _ in range(100):
        panel.show(FIGURES)
    console.print(panel.panel(FIGURES))
    print_user(console, events, Recommendations(items, "personal", False, None), {})
    print_totals(console, Outcome("movielens-100k", FIGURES, 100_000, 0))
    print_next(console, "http://127.0.0.1:8080")
    assert_fits(console.export_text())


def test_bench() -> None:
    shown = run(
        "bench", "drift", "--hits", "2000", "--streams", "1", environment=NARROW, deadline_seconds=240
    )
    assert shown.returncode == 0, shown.stderr
    assert_fits(shown.stdout)
    assert_fits(shown.stderr)

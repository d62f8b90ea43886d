"""`stream-rec evaluate` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import run
from tests.offline.evaluate.worlds import TIMES, sessions

SMALL = ["--set", "engine.max_users=2048", "--set", "engine.max_items=256"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of sessions with a rating, as a file."""
    path = tmp_path_factory.mktemp("logs") / "shop.csv"
    frame = sessions(9, 200).select("session_id", "item_id", "ts", "event_type", "split")
    frame = frame.with_columns(ts=frame["ts"] + 1_700_000_000)
    frame.with_row_index("rating").with_columns(rating=1 + frame.with_row_index("n")["n"] % 5).write_csv(path)
    return path


def figures(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def test_it_prints_tables_and_writes_json_and_a_plot(shop: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "figures.json", tmp_path / "figures.png"
    done = run(
        *("evaluate", "--data", str(shop), "--protocol", "frozen", "--k", "20", *SMALL),
        *("--json", str(out), "--plot", str(picture)),
        deadline_seconds=200,
    )
    assert done.returncode == 0, done.stderr
    for text in ("Ranking of the full catalogue", "Each source alone", "Ranker's weights", "Leak check"):
        assert text in done.stdout
    got = figures(out)
    assert 0.3 < got["hr@20"] == got["recall@20"] <= 1
    asked_for = ["mrr", "ndcg", "precision", "map"]
    assert all(0 <= got[f"{metric}@{k}"] <= 1 for metric in asked_for for k in (5, 10, 20))
    assert 0 < got["coverage@20"] <= 1
    assert {"novelty@20", "diversity@20", "popularity_share@20", "neighbours_hr@20", *TIMES} <= got.keys()
    assert got["queries"] == got["blind_compared"] > 50
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_two_runs_of_one_command_give_the_same_figures(shop: Path, tmp_path: Path) -> None:
    outs = [tmp_path / "1.json", tmp_path / "2.json"]
    for out in outs:
        command = ["evaluate", "--data", str(shop), "--events", "400", "--json", str(out), *SMALL]
        assert run(*command, deadline_seconds=200, fresh=True).returncode == 0
    first, second = ({k: v for k, v in figures(out).items() if k not in TIMES} for out in outs)
    assert first == second
    told = tmp_path / "compared.json"
    compared = run("evaluate", "--compare", *map(str, outs), "--json", str(told))
    assert compared.returncode == 0, compared.stderr
    assert compared.stdout.count("the same") == 2
    assert figures(told)["difference_hr@20"] == 0.0
    assert first["hr_low@20"] < first["hr@20"] < first["hr_high@20"]
    assert 0.0 <= first["gini@20"] < 1.0
    assert 0.0 <= first["miscalibration@20"] <= 1.0
    assert first["serendipity@20"] <= first["hr@20"]


def test_sources_that_are_not_named_are_silent(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = ["evaluate", "--data", str(shop), "--sources", "transitions,popularity", "--json", str(out)]
    done = run(*command, *SMALL, deadline_seconds=200)
    assert done.returncode == 0, done.stderr
    got = figures(out)
    assert got["transitions_hr@20"] > 0
    assert got["neighbours_hr@20"] == got["factorization_hr@20"] == got["session_hr@20"] == 0


def test_relevant_events_are_learned_alone_and_then_among_all(shop: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "figures.json", tmp_path / "p.png"
    done = run(
        *("evaluate", "--data", str(shop), "--relevant", "rating=5", "--warmup", "0.2", "--exclude-seen"),
        *(*SMALL, "--json", str(out), "--plot", str(picture)),
        deadline_seconds=200,
    )
    assert done.returncode == 0, done.stderr
    got = figures(out)
    assert got["queries"] == got["learning_all_queries"]
    assert got["events"] * 4 < got["learning_all_events"]
    assert got["recall@10"] != got["learning_all_recall@10"]
    assert (tmp_path / "p-all.png").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "evaluate what?"),
        (["--compare", "a.json", "b.json"], "a.json cannot be read"),
        (["--data", "nowhere"], "neither a file nor a data set"),
        (["--data", "SHOP", "--sources", "neighbors"], "engine.sources"),
        (["--data", "SHOP", "--relevant", "stars=5"], "no column 'stars'"),
        (["--data", "SHOP", "--protocol", "frozen", "--events", "50"], "split"),
        (["--data", "SHOP", "--min-context", "99"], "nothing to ask"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_fix(shop: Path, arguments: list[str], says: str) -> None:
    refused = run("evaluate", *(str(shop) if a == "SHOP" else a for a in arguments), *SMALL)
    assert refused.returncode == 2, refused.stderr
    assert says in refused.stderr
    assert "fix:" in refused.stderr


def test_its_output_fits_eighty_columns_and_ends_with_a_verdict(shop: Path) -> None:
    done = run(
        *("evaluate", "--data", str(shop), "--events", "400", *SMALL),
        environment={"COLUMNS": "80"},
        deadline_seconds=200,
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []
    assert "…" not in done.stdout
    assert done.stdout.split("\n\n")[-1].startswith("Verdict: the blend hits")

"""The comparison with peers: peers rank as their definitions say, and nobody is asked with the answer in hand."""

from __future__ import annotations

import json
import math
import os
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest

from bench.peers import gorse
from bench.peers.__main__ import main, run_peer
from bench.peers.child import maker
from bench.peers.environment import PEERS_PYTHON
from bench.peers.grids import PEERS
from bench.peers.interactions import FIRST_FIT, Refits
from bench.peers.layout import layout
from bench.peers.protocol import NOTHING, Outcome, Peer, Ranking, fitting, prequential, rank_of, search
from bench.peers.serenade import Serenade
from bench.peers.server import PeerServer
from bench.peers.stream import Events, Query, Stream
from stream_rec.errors import Unavailable
from stream_rec.producers.simulate.shop import ShopPlan
from stream_rec.producers.simulate.simulator import simulated_log

IN_HOUSE = [name for name, entry in PEERS.items() if not entry.package and not entry.server and entry.make]
SERVERS = [name for name, entry in PEERS.items() if entry.server]
OTHERS = [name for name, entry in PEERS.items() if entry.package and not entry.in_project]


def events(*rows: tuple[int, int], sessions: tuple[int, ...] | None = None) -> Events:
    """Events of (user, item); sessions as users if not given."""
    users, items = (np.array(column, np.int32) for column in zip(*rows, strict=True))
    return Events(
        users,
        users if sessions is None else np.array(sessions, np.int32),
        items,
        np.arange(len(rows), dtype=float),
        np.full(len(rows), np.nan, np.float32),
    )


def query(row: int, k: int = 21, left_out: tuple[int, ...] = ()) -> Query:
    return Query(row, row, np.array(left_out, np.int32), k)


def peer(name: str, **settings: object) -> Peer:
    entry = PEERS[name]
    assert entry.make is not None
    return maker(entry.make)({**entry.grid[0], **settings})


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    return simulated_log(
        ShopPlan(n_users=60, n_items=40, n_categories=4, events_per_second=1.0, seed=3), 1_500
    )


@pytest.fixture(scope="module")
def stream(log: pl.DataFrame) -> Stream:
    return layout(log, asks=100, exclude_seen=False)


class Spy:
    """Keeps what it is given; answers with item 0 and 1, equally good."""

    def __init__(self) -> None:
        self.learned: list[int] = []
        self.queries: list[tuple[int, Query]] = []

    def learn(self, events: Events) -> None:
        assert all(column.base is None for column in events), "a view leads to the events behind it"
        self.learned += events.items.tolist()

    def rank(self, query: Query) -> Ranking:
        self.queries.append((len(self.learned), query))
        return Ranking(np.array([0, 1]), np.array([1.0, 1.0]))


def test_a_peer_that_is_asked_for_an_event_was_given_exactly_the_events_before(stream: Stream) -> None:
    spy = Spy()
    outcome = prequential(stream, spy)
    assert [n for n, _ in spy.queries] == np.flatnonzero(stream.asked).tolist()
    assert spy.learned == stream.items.tolist()
    assert outcome.n_learned == len(stream)
    assert len(outcome.ranks) == len(outcome.rank_seconds) == stream.asked.sum()


def test_only_what_goes_on_is_asked_for_and_only_behind_the_part_that_settings_are_searched_on(
    stream: Stream,
) -> None:
    before: set[int] = set()
    first = np.array([s in before or before.add(s) is not None for s in stream.sessions.tolist()])
    assert not stream.asked[: stream.n_search].any()
    assert not stream.rehearsed[stream.n_search :].any()
    assert stream.rehearsed.any()
    assert first[stream.asked | stream.rehearsed].all()
    assert len(stream.rehearsal()) == stream.n_search


def test_items_left_out_are_those_the_user_had_before(log: pl.DataFrame) -> None:
    stream = layout(log, asks=100, exclude_seen=True)
    spy = Spy()
    prequential(stream, spy)
    for row, asked in spy.queries:
        mine = stream.items[:row][stream.users[:row] == asked.user]
        assert set(asked.left_out.tolist()) == set(mine.tolist())
        assert stream.items[row] not in asked.left_out


def test_equal_scores_count_against_a_peer_and_unlisted_items_are_misses() -> None:
    tied = Ranking(np.array([7, 8, 9]), np.array([2.0, 1.0, 1.0]))
    assert [rank_of(item, tied, 3) for item in (7, 8, 9, 5)] == [1, 3, 3, 0]
    assert rank_of(8, tied, 2) == 0
    assert rank_of(8, tied._replace(scores=None), 2) == 2
    assert rank_of(0, NOTHING, 20) == 0


def test_a_run_that_takes_too_long_is_given_up(stream: Stream) -> None:
    outcome = prequential(stream, Spy(), seconds=0.0)
    assert outcome.n_learned == int(np.flatnonzero(stream.asked)[0])
    assert isinstance(outcome, Outcome) and not len(outcome.ranks)


def test_the_setting_that_ranked_best_is_found(stream: Stream) -> None:
    class Oracle(Spy):
        def __init__(self, settings: dict[str, bool]) -> None:
            super().__init__()
            self.knows = settings["knows"]

        def rank(self, query: Query) -> Ranking:
            assert query.k == 21
            target = int(stream.items[len(self.learned)])
            return Ranking(np.array([target if self.knows else -1]), np.array([1.0]))

    found = search(stream, Oracle, [{"knows": knows} for knows in (False, True, False)], seconds=60.0)
    assert found == ({"knows": True}, 2, 2, None)


def test_a_peer_that_cannot_do_the_first_part_in_time_is_not_run(stream: Stream) -> None:
    found = search(stream, lambda _: Spy(), [{"a": 1}, {"a": 2}], seconds=0.0)
    assert (found.settings, found.n_tried, found.n_settings) == ({"a": 1}, 0, 2)
    assert found.given_up is not None
    assert found.given_up.n_learned < stream.n_search


def test_settings_that_cannot_differ_are_tried_once(stream: Stream) -> None:
    grid = PEERS["river_baseline"].grid
    assert len(fitting(stream, grid)) == len(grid) - 1, "not every event has a value to learn from"
    alike = replace(stream, sessions=stream.users)
    assert len(fitting(alike, grid)) == (len(grid) - 1) / 2


def test_popularity_forgets_by_half_in_a_half_life() -> None:
    popularity = peer("popularity", half_life=2)
    popularity.learn(events((0, 5), (0, 5), (1, 3), (1, 3), (1, 4)))
    ranking = popularity.rank(query(9, k=3))
    assert ranking.items.tolist() == [3, 4, 5]
    assert ranking.scores is not None
    weights = [0.5**0.5 + 0.5, 1.0, 0.5**1.5 + 0.5**2.0]
    assert ranking.scores / ranking.scores.max() == pytest.approx(np.array(weights) / weights[0])
    assert popularity.rank(query(9, k=3, left_out=(3,))).items.tolist()[:2] == [4, 5]


def test_item_knn_is_the_cosine_of_who_had_both(stream: Stream) -> None:
    knn = peer("item_knn", of="session", window=100, shrink=0.0)
    half = stream.events.part(0, len(stream) // 2)
    for first in range(0, len(half.items), 37):
        knn.learn(half.part(first, first + 37))
    had: dict[int, set[int]] = {}
    for session, item in zip(half.sessions.tolist(), half.items.tolist(), strict=True):
        had.setdefault(session, set()).add(item)
    n = Counter(item for items in had.values() for item in items)
    both = Counter(pair for items in had.values() for pair in combinations(sorted(items), 2))
    for session in list(had)[:20]:
        expected: Counter[int] = Counter()
        for (i, j), count in both.items():
            cosine = count / math.sqrt(n[i] * n[j])
            expected[j] += cosine * (i in had[session])
            expected[i] += cosine * (j in had[session])
        ranking = knn.rank(query(session, k=1_000))
        assert ranking.scores is not None
        assert ranking.scores == pytest.approx([expected[item] for item in ranking.items.tolist()])
        assert {item for item, score in expected.items() if score} == set(ranking.items.tolist())


def test_vmis_knn_weighs_neighbours_by_shared_items_and_items_by_rarity() -> None:
    vmis = peer("vmis_knn", of="session", m=500, k=100, last=9, repeats=False)
    vmis.learn(events((0, 1), (0, 2), (0, 3), (1, 2), (1, 4), (2, 6), (3, 1), (3, 2)))
    ranking = vmis.rank(query(3))
    # Session 0 shares 2 (latest: 2/2) and 1 (1/2); session 1 shares 2 only; the latest match is the last item: 0.9.
    weights = {0: 0.9 * 1.5, 1: 0.9 * 1.0}
    expected = {
        3: weights[0] * math.log(4 / 1),
        1: weights[0] * math.log(4 / 2),
        4: weights[1] * math.log(4 / 1),
    }
    assert ranking.scores is not None
    assert dict(zip(ranking.items.tolist(), ranking.scores.tolist(), strict=True)) == pytest.approx(expected)
    assert ranking.items.tolist() == [3, 4, 1]


def test_vmis_knn_looks_at_the_most_recent_sessions_alone() -> None:
    vmis = peer("vmis_knn", of="session", m=1, k=1, last=9, repeats=False)
    vmis.learn(events((0, 1), (0, 2), (1, 1), (1, 3), (2, 1)))
    assert vmis.rank(query(2)).items.tolist() == [3]


@pytest.mark.parametrize("name", IN_HOUSE)
def test_asking_changes_nothing_and_strangers_are_no_error(name: str, stream: Stream) -> None:
    asked, unasked = peer(name), peer(name)
    assert len(asked.rank(query(5)).items) == 0
    for each in (asked, unasked):
        each.learn(stream.events.part(0, 500))
    for row in range(200):
        asked.rank(query(row))
    assert asked.rank(query(3)).items.tolist() == unasked.rank(query(3)).items.tolist()
    assert prequential(stream, peer(name)).mrr() > 0


def test_the_river_peers_answer_for_rows_they_learned_alone(stream: Stream) -> None:
    river = peer("river_biased_mf")
    river.learn(stream.events.part(0, 300))
    assert len(river.rank(query(int(stream.users[0]))).items) == 21
    assert len(river.rank(query(10_000)).items) == 0


def test_everything_is_fitted_anew_when_the_events_have_doubled_and_at_the_latest_every_so_many() -> None:
    refits = Refits(every=2 * FIRST_FIT)
    due = [n for n in range(1, 7 * FIRST_FIT + 1) if refits.due()]
    assert [n / FIRST_FIT for n in due] == [1, 2, 4, 6]
    assert refits.n == 7 * FIRST_FIT


ESTIMATES = """
import numpy as np
from bench.peers.grids import PEERS
from bench.peers.surprise_models import Fitted
draw = np.random.default_rng(5)
ratings = {(int(u), int(i)): float(r) for u, i, r in draw.integers((0, 0, 1), (30, 40, 6), (600, 3))}
for name in ("surprise_svd", "surprise_svdpp", "surprise_knn"):
    fitted = Fitted({**PEERS[name].grid[0], **({"k": 5} if name == "surprise_knn" else {})}, ratings)
    of, items = fitted._known, fitted._items.tolist()
    for row in (3, 17, 999):
        own = of.to_inner_uid(row) if row < 30 else "UKN__999"
        told = [fitted._algorithm.estimate(own, of.to_inner_iid(item)) for item in items]
        told = np.array([each[0] if isinstance(each, tuple) else each for each in told])
        found = fitted.scores(row)[items]
        assert np.allclose(found - found.mean(), told - told.mean()), (name, row)

from bench.peers.surprise_ratings import expected
log, settings = draw.integers((0, 0, 1), (30, 40, 6), (700, 3)).T, {"model": "SVD", "refit_every": 100}
before = expected(*log, settings)
assert np.isnan(before[0]) and before[1] == log[2][0] and not np.isnan(before[1:]).any()
log[2][-100:] = 1
assert np.array_equal(before[1:601], expected(*log, settings)[1:601]), "a rating was known before it came"
"""


def test_surprise_in_one_step_estimates_as_pair_by_pair_and_expects_no_rating_that_it_was_told() -> None:
    if not PEERS_PYTHON.exists():
        pytest.skip("there is no .venv-peers: `make peers` makes it")
    if subprocess.run([str(PEERS_PYTHON), "-c", "import surprise"], check=False).returncode:
        pytest.skip("surprise is not in .venv-peers: `make peers` puts it there")
    subprocess.run([str(PEERS_PYTHON), "-c", ESTIMATES], check=True, cwd=PEERS_PYTHON.parents[2], timeout=120)


@pytest.mark.parametrize("name", OTHERS)
def test_packages_of_other_makers_go_the_same_way(name: str, stream: Stream, tmp_path: Path) -> None:
    package = PEERS[name].package
    imported = PEERS_PYTHON.exists() and subprocess.run(
        [str(PEERS_PYTHON), "-c", f"import {package}"], check=False
    )
    if not imported or imported.returncode:
        pytest.skip(f"{package} is not in .venv-peers: `make peers` puts it there")
    stream.save(tmp_path / "stream.npz")
    result = run_peer(tmp_path, name, cap_seconds=20.0)
    assert result["status"] == "ok"
    assert len(result["ranks"]) == stream.asked.sum()


def two_worlds(n_sessions: int, length: int = 6) -> Events:
    """Sessions of items 0 to 9 and of items 10 to 19 in turns, an item of each a second."""
    rows = [(s, 10 * (s % 2) + (s // 2 + 3 * i) % 10) for s in range(n_sessions) for i in range(length)]
    return events(*rows)._replace(ts=8.8e8 + np.arange(len(rows)))


@pytest.mark.parametrize("name", SERVERS)
def test_servers_answer_for_who_was_there_and_what_he_saw_and_end_with_their_peer(name: str) -> None:
    given = os.environ.get(f"STREAM_REC_TEST_{name.upper()}")  # noqa: TID251 - a setting of the tests
    if given is None:
        pytest.skip(
            f"STREAM_REC_TEST_{name.upper()} names no program of {name}: docs/peers.md says how to build it"
        )
    entry = PEERS[name]
    assert entry.make is not None
    server = maker(entry.make, Path(given))(entry.grid[0])
    log = two_worlds(190)
    server.learn(log)
    server.learn(events((1_000, 3), (1_000, 7), (1_001, 12), (1_001, 16)))
    for row, world in ((1_000, range(10)), (1_001, range(10, 20))):
        for _ in range(2):
            ranking = server.rank(query(row, left_out=(3, 7, 12, 16)))
            assert set(ranking.items.tolist()[:8]) == set(world) - {3, 7, 12, 16}
    (process,) = (each for each in psutil.Process().children(recursive=True) if given in each.cmdline())
    del server
    assert not process.is_running()


def test_what_serenade_reads_has_a_line_for_each_event() -> None:
    serenade = Serenade(PEERS["serenade"].grid[0], Path("/nowhere"))
    log = two_worlds(2, length=2)
    serenade.learn(log)
    assert serenade.training_text() == (
        "SessionId\tItemId\tTime\n"
        "0\t0\t880000000.000\n0\t3\t880000001.000\n1\t10\t880000002.000\n1\t13\t880000003.000\n"
    )
    assert serenade.rank(query(0)) is NOTHING, "it was never started"


def test_gorse_is_told_who_had_what_and_when() -> None:
    assert gorse.feedback(3, 7, 880_000_000.5) == {
        "FeedbackType": "click",
        "UserId": "3",
        "ItemId": "7",
        "Timestamp": "1997-11-20T04:26:40.500000+00:00",
    }


def test_gorse_fits_what_a_setting_asks_of_it_and_no_more_and_listens_here_alone(tmp_path: Path) -> None:
    for settings in PEERS["gorse"].grid:
        told = tomllib.loads(gorse.configuration(1, 2, tmp_path, settings))
        assert (told["master"]["host"], told["master"]["http_host"]) == ("127.0.0.1", "127.0.0.1")
        asked = told["recommend"]
        (first,) = asked["ranker"]["recommenders"]
        assert first.startswith(
            "non-personalized" if settings["first"] == "item-to-item" else settings["first"]
        )
        assert ("user-to-user" in asked) == (settings["first"] == "user-to-user")
        assert (asked["collaborative"]["type"] == "mf") == (settings["first"] == "collaborative")


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_whose_program_is_not_given_is_not_run_and_one_that_is_no_program_is_an_error(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_peer(tmp_path, name, 1.0) == {
        "status": f"not installed: no --{name} PATH was given; docs/peers.md says how to build it"
    }
    with pytest.raises(SystemExit):
        main(["--data", "any", "--peers", name, f"--{name}", str(tmp_path)])
    assert f"--{name}: {tmp_path} is no program" in capsys.readouterr().err


def test_a_program_that_ends_at_once_is_reported_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where the log is kept
    program = tmp_path / "ends"
    program.write_text("#!/bin/sh\necho 'no such configuration'\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(Unavailable, match=r"it exited with 3;(.|\n)*no such configuration"):
        PeerServer.start(program, lambda _port, _folder: [], ready="/")


@pytest.mark.usefixtures("without_peers")
def test_a_peer_that_is_not_installed_is_reported_and_ours_has_every_figure(
    log: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "events.csv", tmp_path / "out.json"
    log.select("user_id", "session_id", "item_id", "ts", "event_type").write_csv(path)
    words = ["--data", str(path), "--asks", "50", "--peers", "popularity,rtrec_slim,ours", "--json", str(out)]
    assert main(words) == 0
    figures = json.loads(out.read_text())
    assert figures["events"] == 1_500
    assert figures["queries"] == 50
    assert figures["rtrec_slim_status"].startswith("not installed")
    assert "rtrec_slim_hr@20" not in figures
    for name in ("popularity", "ours"):
        assert figures[f"{name}_status"] == "ok"
        assert 0 <= figures[f"{name}_mrr@20"] <= figures[f"{name}_ndcg@20"] <= figures[f"{name}_hr@20"] <= 1
        for cost in ("update_us", "recommend_us_p50", "recommend_us_p99", "seconds"):
            assert figures[f"{name}_{cost}"] > 0
    assert json.loads(figures["popularity_settings"]) in PEERS["popularity"].grid
    printed = capsys.readouterr().out
    assert "popularity" in printed
    assert "rtrec_slim: not installed" in printed


@pytest.fixture
def without_peers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr("bench.peers.__main__.PEERS_PYTHON", tmp_path / "nowhere")
    yield

"""Gorse, a server of recommendations: its program `gorse-in-one` with SQLite, as its users run it.

Feedback is known to its online recommenders at once. The rest is fitted and stored in a run of tasks, by its clock
every `fit_period`; here the clock is a day, and a run is started every so many events and waited for, by the call
that its dashboard has for a changed configuration. So how often it is fitted does not depend on this machine.
"""

from __future__ import annotations

import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.interactions import Refits
from bench.peers.protocol import Ranking, Settings
from bench.peers.server import PeerServer
from bench.peers.stream import Events, Query
from stream_rec.embedded.server import free_port

BATCH = 1_000
"""Feedback of one request: SQLite limits the values of a statement."""
RUN_SECONDS = 600.0
"""A run of tasks that is not done by then ends the peer's run."""
LAST_TASK = "Collect Garbage in Cache"
"""Of a run, if it optimizes nothing."""


class Gorse:
    """The server.

    Settings:
        of: its users are `user`s or `session`s.
        first: the recommender whose list comes first, `item-to-item`, `user-to-user` or `collaborative`; neighbours of
            the user's items follow, and what is popular.
        context: a user's last items that neighbours are looked up for.
        refit_every: events between two runs; earlier when they have doubled.
    """

    def __init__(self, settings: Settings, program: Path) -> None:
        self._of: str = settings["of"]
        self._refits = Refits(settings["refit_every"])

        def configure(port: int, folder: Path) -> list[str]:
            (folder / "config.toml").write_text(configuration(port, free_port(), folder, settings))
            return ["--config", "config.toml", "--cache-path", str(folder)]

        self._server = PeerServer.start(program, configure, ready="/api/health/ready")
        weakref.finalize(self, self._server.stop)
        self._await_run(after=None)  # it begins with one

    def learn(self, events: Events) -> None:
        """Feedback in batches, and a run when it is time."""
        batch: list[dict[str, str]] = []
        for row, item, ts in zip(
            events.rows(self._of).tolist(), events.items.tolist(), events.ts.tolist(), strict=True
        ):
            batch.append(feedback(row, item, ts))
            due = self._refits.due()
            if due or len(batch) == BATCH:
                self._send(batch)
                batch = []
            if due:
                self._run()
        if batch:
            self._send(batch)

    def rank(self, query: Query) -> Ranking:
        """In its order: it has scores, but those of different recommenders cannot be compared.

        It never lists what its user has had; what else is to be left out (by a session's user) is struck out here.
        """
        left_out = set(query.left_out.tolist())
        n = query.k + (len(left_out) if self._of == "session" else 0)
        listed = self._server.ask("GET", f"/api/recommend/{query.row(self._of)}", query={"n": n})
        items = [item for item in map(int, listed) if item not in left_out]
        return Ranking(np.array(items[: query.k], np.int64), None)

    def _send(self, batch: list[dict[str, str]]) -> None:
        self._server.ask("POST", "/api/feedback", body=batch)

    def _run(self) -> None:
        before = self._finished()
        self._server.ask("DELETE", "/api/dashboard/config")
        self._await_run(after=before)

    def _await_run(self, after: str | None) -> None:
        self._server.wait(lambda: self._finished() not in (None, after), RUN_SECONDS)

    def _finished(self) -> str | None:
        """When the last run was done; None while one is at its last task, or none was."""
        tasks: list[dict[str, Any]] = self._server.ask("GET", "/api/dashboard/tasks") or []
        ends = (
            task["FinishTime"] for task in tasks if task["Name"] == LAST_TASK and task["Status"] == "Complete"
        )
        return next(ends, None)


def feedback(row: int, item: int, ts: float) -> dict[str, str]:
    """An event as the API takes it."""
    when = datetime.fromtimestamp(ts, UTC).isoformat()
    return {"FeedbackType": "click", "UserId": str(row), "ItemId": str(item), "Timestamp": when}


def configuration(http_port: int, port: int, folder: Path, settings: Settings) -> str:
    """The text of the program's configuration; what is not said is Gorse's default.

    Neighbours and a user's stored items are renewed in every run (`cache_expire`); Gorse would keep them for days.
    """
    first: str = settings["first"]
    users = (
        '[[recommend.user-to-user]]\nname = "neighbors"\ntype = "items"\n' if first == "user-to-user" else ""
    )
    # The program stores a list for each user by what is named under `ranker`, and by everything if nothing is.
    # Neighbours of items are looked up at a query and need none: an empty leaderboard saves a run most of its time.
    stored = {"item-to-item": "non-personalized/empty", "user-to-user": "user-to-user/neighbors"}.get(
        first, first
    )
    return f"""[database]
data_store = "sqlite://{folder}/data.sqlite"
cache_store = "sqlite://{folder}/cache.sqlite"

[master]
host = "127.0.0.1"
port = {port}
http_host = "127.0.0.1"
http_port = {http_port}
n_jobs = 1

[recommend]
cache_expire = "1ms"
context_size = {settings["context"]}

[recommend.data_source]
positive_feedback_types = ["click"]
read_feedback_types = []

[[recommend.non-personalized]]
name = "popular"
score = "len(feedback)"

[[recommend.non-personalized]]
name = "empty"
score = "len(feedback)"
filter = "len(feedback) < 0"

[[recommend.item-to-item]]
name = "neighbors"
type = "users"

{users}
[recommend.collaborative]
type = "{"mf" if first == "collaborative" else "none"}"
fit_period = "24h"

[recommend.ranker]
type = "none"
fit_period = "24h"
recommenders = ["{stored}"]

[recommend.fallback]
recommenders = ["item-to-item/neighbors", "non-personalized/popular"]

[blob]
uri = "{folder}/blob"
"""

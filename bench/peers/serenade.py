"""Serenade, bol.com's server of session neighbours (VMIS-kNN): its program `serving`, as its users run it.

B. Kersbergen, O. Sprangers, S. Schelter, SIGMOD 2022. The index is read from a file when the program starts, so new
events come to be known by starting it again; the sessions that go on are in its own store, which stays.
"""

from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np

from bench.peers.interactions import Refits
from bench.peers.protocol import NOTHING, Ranking, Settings
from bench.peers.server import PeerServer
from bench.peers.stream import Events, Query

LISTED = 1_000
"""Items of an answer: it cannot be told what to leave out, so that is struck out here."""
TRAINING_FILE = "train.txt"
HEADER = "SessionId\tItemId\tTime\n"


class Serenade:
    """The server, and the file that it reads.

    Settings:
        of: its sessions are `session`s or `user`s.
        m: most recent sessions with an item that are looked at.
        k: of them the nearest, which count.
        last: items of a session that are looked at; a match farther back than 10 has a negative weight in it.
        refit_every: events between two starts; earlier when they have doubled.
    """

    def __init__(self, settings: Settings, program: Path) -> None:
        self._settings, self._program = settings, program
        self._of: str = settings["of"]
        self._refits = Refits(settings["refit_every"])
        self._lines = [HEADER]
        self._server: PeerServer | None = None
        self._last: dict[int, int] = {}

    def learn(self, events: Events) -> None:
        """Every event is a request, as when its page is shown, and a line for the next start."""
        for row, item, ts in zip(
            events.rows(self._of).tolist(), events.items.tolist(), events.ts.tolist(), strict=True
        ):
            self._last[row] = item
            self._lines.append(training_line(row, item, ts))
            if self._server is not None:
                self._view(self._server, row, item)
            if self._refits.due():
                self._build()

    def rank(self, query: Query) -> Ranking:
        """In the server's order; it tells no scores. Showing the last item again changes nothing in its store."""
        row = query.row(self._of)
        if self._server is None or row not in self._last:
            return NOTHING
        left_out = set(query.left_out.tolist())
        listed = self._view(self._server, row, self._last[row])
        return Ranking(np.array([item for item in listed if item not in left_out][: query.k], np.int64), None)

    def training_text(self) -> str:
        """What the next start reads."""
        return "".join(self._lines)

    @staticmethod
    def _view(server: PeerServer, row: int, item: int) -> list[int]:
        told = {"session_id": row, "user_consent": "true", "item_id": item}
        listed: list[int] = server.ask("GET", "/v1/recommend", query=told)
        return listed

    def _build(self) -> None:
        if self._server is None:
            self._server = PeerServer.start(self._program, self._configure, ready="/internal")
            weakref.finalize(self, self._server.stop)
        else:
            self._write(self._server.folder)
            self._server.restart()

    def _configure(self, port: int, folder: Path) -> list[str]:
        self._write(folder)
        (folder / "serving.toml").write_text(configuration(port, self._settings))
        return ["serving.toml"]

    def _write(self, folder: Path) -> None:
        (folder / TRAINING_FILE).write_text(self.training_text())


def training_line(row: int, item: int, ts: float) -> str:
    """An event as a line of the training file."""
    return f"{row}\t{item}\t{ts:.3f}\n"


def configuration(port: int, settings: Settings) -> str:
    """The text of the program's configuration.

    It must have what `serving` does not use as well (`hyperparam`), or the program ends.
    """
    return f"""[server]
host = "127.0.0.1"
port = {port}
num_workers = 1

[data]
training_data_path = "{TRAINING_FILE}"

[model]
m_most_recent_sessions = {settings["m"]}
neighborhood_size_k = {settings["k"]}
max_items_in_session = {settings["last"]}
num_items_to_recommend = {LISTED}
idf_weighting = 1

[logic]
enable_business_logic = false

[hyperparam]
training_data_path = "{TRAINING_FILE}"
test_data_path = "{TRAINING_FILE}"
validation_data_path = "{TRAINING_FILE}"
num_iterations = 1
save_records = false
out_path = "unused.csv"
enable_business_logic = false
n_most_recent_sessions_range = [100, 2500]
neighborhood_size_k_range = [50, 1500]
last_items_in_session_range = [1, 20]
idf_weighting_range = [0, 5]
"""

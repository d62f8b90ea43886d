"""One peer in a process of its own: `python -m bench.peers.child FOLDER PEER CAP_SECONDS [PROGRAM]`.

Reads `stream.npz` (ours: also `log.parquet`) in the folder, writes `PEER.json` there. A package that cannot be
imported is a result too.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from bench.peers.grids import PEERS
from bench.peers.protocol import SEARCH_SHARE, Found, Outcome, Peer, Settings, prequential, search
from bench.peers.stream import Stream


def run(folder: Path, name: str, cap_seconds: float, program: Path | None = None) -> dict[str, Any]:
    """Search settings, then run from nothing."""
    stream, entry = Stream.load(folder / "stream.npz"), PEERS[name]
    if entry.package is not None:
        try:
            importlib.import_module(entry.package)
        except ImportError as error:
            return {"status": f"not installed: {error}"}
    if entry.make is None:
        from bench.peers.ours import run as run_ours

        return _result(run_ours(folder / "log.parquet", stream), Found({}, 1, 1), stream)
    make = maker(entry.make, program)
    found = search(stream, make, entry.grid, seconds=SEARCH_SHARE * cap_seconds)
    if found.given_up is not None:
        return _result(found.given_up, found, stream)
    return _result(prequential(stream, make(found.settings), seconds=cap_seconds), found, stream)


def maker(path: str, program: Path | None = None) -> Callable[[Settings], Peer]:
    """The class that `module:class` names; a server's with its program."""
    module, _, name = path.partition(":")
    found = getattr(importlib.import_module(f"bench.peers.{module}"), name)
    return cast(Callable[[Settings], Peer], found if program is None else partial(found, program=program))


def _result(outcome: Outcome, found: Found, stream: Stream) -> dict[str, Any]:
    done = outcome.n_learned == len(stream)
    where = "in the search" if found.given_up else "in the run"
    gave_up = f"ran out of time {where} after {outcome.n_learned:,} of {len(stream):,} events"
    return {
        "status": "ok" if done else gave_up,
        "ranks": outcome.ranks.tolist() if done else None,
        "settings": dict(found.settings),
        "tried": found.n_tried,
        "grid": found.n_settings,
        "update_us": 1e6 * outcome.learn_seconds / max(1, outcome.n_learned),
        "recommend_us_p50": _percentile(outcome, 50),
        "recommend_us_p99": _percentile(outcome, 99),
        "seconds": outcome.seconds,
    }


def _percentile(outcome: Outcome, q: float) -> float | None:
    times = outcome.rank_seconds
    return float(np.percentile(times, q) * 1e6) if len(times) else None


if __name__ == "__main__":
    result = run(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), *map(Path, sys.argv[4:]))
    (Path(sys.argv[1]) / f"{sys.argv[2]}.json").write_text(json.dumps(result))

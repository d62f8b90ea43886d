"""Why an item stands where it stands: what every source says of it, in the ranker's weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.batch import IdColumn
from stream_rec.engine.engine import Engine
from stream_rec.engine.names import rows_of
from stream_rec.kernels.candidates import N_CANDIDATES
from stream_rec.kernels.codes import code_of


@dataclass(frozen=True, slots=True)
class Explained:
    """What the engine says of an item for a user.

    Attributes:
        item_id: the item.
        place: in the slate that the engine makes now, from 1; None = it is not in it.
        score: the blend of all sources; None = no source brings the item up.
        by_source: what each source adds to the score; those that add nothing are left out. Their sum is the score.
    """

    item_id: str
    place: int | None
    score: float | None
    by_source: dict[str, float]


def explain(engine: Engine, user_id: str, item_ids: Sequence[str], scenario: str) -> list[Explained]:
    """Explain items, in their order. Reads only.

    Raises:
        KeyError: there is no such scenario.
    """
    ranked = engine.recommend([user_id], scenario=scenario).items[0]
    places = {item: place for place, item in enumerate(ranked, start=1)}
    x, state = engine._scratch, engine.state  # as ranking the only user has left it
    n = int(x.query[N_CANDIDATES])
    candidates = {code: c for c, code in enumerate(x.codes[:n].tolist())}
    rows = rows_of(state.items, IdColumn.of(item_ids)).tolist()
    answers = []
    for item, row in zip(item_ids, rows, strict=True):
        c = candidates.get(int(code_of(row, state.generation))) if row >= 0 else None
        said = {} if c is None else _said(engine, c)
        score = None if c is None else float(x.scores[c])
        answers.append(Explained(item, places.get(item), score, said))
    return answers


def _said(engine: Engine, c: int) -> dict[str, float]:
    x = engine._scratch
    parts = np.zeros(len(engine.sources))
    np.add.at(parts, engine._rates.source_of, x.weights * x.features[:, c])
    return {name: float(part) for name, part in zip(engine.sources, parts, strict=True) if part}

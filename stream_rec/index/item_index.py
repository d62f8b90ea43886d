"""The vector index over item factors: who has the greatest inner product with a query, while the factors change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stream_rec.errors import ConfigError
from stream_rec.index.checks import checked_rows, checked_vectors
from stream_rec.index.rebuild import Rebuild, Sample
from stream_rec.index.training import Trained, lists_for

Hits = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Rows and scores."""

_TURNED_OVER = 0.5
"""A training of the same form is not repeated before this share of the items was put in or taken out."""

_WORN_OUT = 8.0
"""It is repeated when the items were put in or taken out this many times over, and as often as ever before."""

_NEXT = "next."

MOST_WAITING = 1024
"""Changes that are put off at once."""


@dataclass(frozen=True, slots=True)
class IndexStats:
    """How the index stands.

    Attributes:
        n: items in it.
        kind: exact (every vector is scanned) or ivf.
        nlist: lists.
        nprobe: lists scanned per query, mean over the probes of the last training.
        scanned: share of the vectors scanned per query, mean over the same probes.
        recall: at 100 on the same probes.
        updates: rows put in or taken out since the last training.
        rebuilds: trainings that took effect.
        is_rebuilding: a rebuild was started and has not been joined.
    """

    n: int
    kind: Literal["exact", "ivf"]
    nlist: int
    nprobe: float
    scanned: float
    recall: float
    updates: int
    rebuilds: int
    is_rebuilding: bool


class ItemIndex:
    """Maximum inner product search over item factors, in FAISS; exact while small, an inverted file above.

    Answers are a function of the sequence of calls that change the index (not of time, threads, or how queries are
    batched), bit for bit on one type of CPU. A rebuild trains in a background thread on the vectors as they were when
    it was started; until it is joined the old form answers and takes all updates, and the rows touched meanwhile are
    put into the new one at the join. Searches change nothing; several threads may search while none changes it.

    Not guaranteed: that the inverted file finds all of the k greatest. Its recall is calibrated (`recall`), as a mean
    over queries like those it was given, at 100 neighbours. The scores it returns are exact.

    Args:
        n_factors: width d of the vectors.
        exact_below: up to this many items a training gives the exact form, in which every vector is scanned.
        max_items: rows must be below it.
        recall: of the inverted file at 100 neighbours, that training aims for.
        join_after: calls of `maintain` between the start of a rebuild and its join.
        seed: of training.
    """

    def __init__(
        self,
        n_factors: int = 32,
        *,
        exact_below: int = 2048,
        max_items: int = 1 << 24,
        recall: float = 0.96,
        join_after: int = 4,
        seed: int = 42,
    ) -> None:
        self.n_factors = n_factors
        self._exact_below = exact_below
        self._max_items = max_items
        self._recall = recall
        self._join_after = join_after
        self._seed = seed
        self._trained = Trained.exact(n_factors)
        self._waiting: list[tuple[int, NDArray[np.float32] | None]] = []
        self._next: Rebuild | None = None
        self._updates = 0
        self._updates_before = 0
        self._rebuilds = 0
        self._waited = 0

    @property
    def _now(self) -> Trained:
        """What answers, with every change that was put off."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._make(waiting)
        return self._trained

    def __len__(self) -> int:
        return len(self._now.file)

    def contains(self, rows: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of the rows are in."""
        return self._now.file.contains(checked_rows(rows, self._max_items))

    def upsert(self, rows: NDArray[np.int32], vectors: NDArray[np.float32]) -> None:
        """Put item factors in, in place of those that the rows had.

        Args:
            rows: [m]; if one comes twice, its last vector counts.
            vectors: [m, d].

        Raises:
            ValueError: a row below 0 or not below `max_items`; a wrong shape; a vector that is not finite, or so long
                that its square is not. Nothing is changed then.
        """
        rows = checked_rows(rows, self._max_items)
        vectors = checked_vectors(vectors, self.n_factors)
        if len(vectors) != len(rows):
            raise ValueError(f"{len(rows)} rows, but {len(vectors)} vectors")
        if len(rows) > 1 and not (rows[1:] > rows[:-1]).all():
            rows, last = np.unique(rows[::-1], return_index=True)
            vectors = np.ascontiguousarray(vectors[::-1][last])
        self._now.file.upsert(rows, vectors)
        self._count(rows, len(rows))

    def later(self, row: int, vector: NDArray[np.float32] | None) -> None:
        """`upsert` of one row, or (None) `remove`, put off until something asks: bit for bit as if it were made now.

        Rows that are new go in together then, which costs a tenth. From the thread that changes the index; before other
        threads search, it asks (`len`).

        Args:
            row: as for `upsert`.
            vector: [d], copied.
        """
        self._waiting.append((row, None if vector is None else vector.copy()))
        if len(self._waiting) >= MOST_WAITING:
            self._now  # noqa: B018 - makes them

    def _make(self, changes: list[tuple[int, NDArray[np.float32] | None]]) -> None:
        """In this order. A run of new rows, ascending, leaves lists and sums as one after the other would."""
        rows = np.array([row for row, _ in changes], np.int32)
        is_in = self._trained.file.contains(checked_rows(rows, self._max_items)).tolist()
        run: list[int] = []
        touched: set[int] = set()

        def put_run() -> None:
            if run:
                self.upsert(rows[run], np.array([changes[at][1] for at in run], np.float32))
                run.clear()

        for at, (row, vector) in enumerate(changes):
            is_new = vector is not None and not is_in[at] and row not in touched
            if not is_new or (run and row < changes[run[-1]][0]):
                put_run()
            touched.add(row)
            if is_new:
                run.append(at)
            elif vector is not None:
                self.upsert(rows[at : at + 1], vector[None])
            else:
                self.remove(rows[at : at + 1])
        put_run()

    def remove(self, rows: NDArray[np.int32]) -> int:
        """Take rows out; unknown ones are passed over. Returns how many were in.

        Raises:
            ValueError: a row below 0 or not below `max_items`.
        """
        rows = np.unique(checked_rows(rows, self._max_items))
        n = self._now.file.remove(rows)
        self._count(rows, n)
        return n

    def search(
        self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.bool_] | None = None
    ) -> Hits:
        """The k items with the greatest inner product with each query.

        Args:
            queries: [n, d].
            k: at least 1.
            allowed: [m], the rows that may be found, all below m; None = all.

        Returns:
            Rows [n, k], best first, equal scores by row; scores [n, k]. Where fewer than k items are in, row -1 with
            score -inf behind them. Which of several equal scores stands at place k and which is left out is not said.

        Raises:
            ValueError: k below 1, a wrong shape, a query that is not finite.
        """
        if k < 1:
            raise ValueError(f"k is {k}")
        return self._now.file.search(checked_vectors(queries, self.n_factors), k, allowed=allowed)

    def similar(self, row: int, k: int) -> Hits:
        """The k other items with the greatest inner product with an item's factors; none for an unknown row.

        Returns:
            Rows [k] and scores [k], as `search` gives them.
        """
        rows, scores = self.similar_to(np.array([row], np.int32), k)
        return rows[0], scores[0]

    def similar_to(self, rows: NDArray[np.int32], k: int) -> Hits:
        """`similar` for m rows at once, [m, k]."""
        rows = checked_rows(rows, self._max_items)
        hits = np.full((len(rows), k), -1, np.int32)
        scores = np.full((len(rows), k), -np.inf, np.float32)
        known = self._now.file.contains(rows)
        found, values = self.search(self._now.file.vectors(rows[known]), k + 1)
        # Its own row goes; where longer vectors have crowded it out, the last one does.
        others = found != rows[known][:, None]
        others[others.all(axis=1), k] = False
        hits[known] = found[others].reshape(-1, k)
        scores[known] = values[others].reshape(-1, k)
        return hits, scores

    def maintain(self, queries: NDArray[np.float32] | None = None) -> None:
        """Start a rebuild if one would pay, or join it `join_after` calls later. To be called at fixed counts.

        What replaces the exact form is joined at the next call: it is soon trained, and until then all is scanned.

        Args:
            queries: see `start_rebuild`.
        """
        if self._next is not None:
            self._waited += 1
            if self._waited >= (1 if self._now.file.n_lists == 1 else self._join_after):
                self.join_rebuild()
        elif self.is_stale():
            self.start_rebuild(queries)

    def is_stale(self) -> bool:
        """Would a rebuild pay?

        If the exact form has outgrown `exact_below`; once half of the items were put in or taken out since the
        last training, if what it reached is lost (`Trained.has_drifted`); and now and then in any case, ever more
        seldom, because factors that have learned more may lie in better lists than any measure of the old ones shows.
        """
        n, updates = len(self), self._updates
        if self._now.file.n_lists == 1:
            return self._lists_wanted() > 1
        is_worn_out = updates >= max(_WORN_OUT * n, self._updates_before)
        return is_worn_out or (updates >= _TURNED_OVER * n and self._now.has_drifted())

    def start_rebuild(self, queries: NDArray[np.float32] | None = None) -> None:
        """Begin to train anew in the background; nothing happens if that is under way.

        Args:
            queries: [m, d], some of what will be asked, as a function of what was learned; recall is calibrated on
                them too, beside items and sums of items.
        """
        if self._next is not None:
            return
        asked = np.empty((0, self.n_factors), np.float32)
        if queries is not None:
            asked = checked_vectors(queries, self.n_factors).copy()
        rows = self._now.file.rows()
        vectors = self._now.file.vectors(rows)
        sample = Sample(rows, vectors, asked, np.array([self._lists_wanted()]))
        self._next = Rebuild(sample, recall=self._recall, seed=self._seed)
        self._waited = 0

    def join_rebuild(self) -> bool:
        """Wait for the rebuild, bring it up to date and answer from it. False if none was started.

        Raises:
            Whatever the training raised: a bug.
        """
        if self._next is None:
            return False
        self._trained, n_touched = self._next.join(self._now.file)
        self._updates_before += self._updates - n_touched
        self._updates = n_touched
        self._next = None
        self._rebuilds += 1
        return True

    def serialize(self) -> dict[str, NDArray[Any]]:
        """Everything, as arrays that later changes leave alone, for `restore` and for digests. Does not wait."""
        form = self._now.arrays()
        counts = np.array([self._updates, self._updates_before, self._rebuilds, self._waited], np.int64)
        arrays = {"counts": counts} | form
        if self._next is not None:
            arrays |= {_NEXT + name: array for name, array in self._next.arrays().items()}
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become what `serialize` was called on: the same answers, and the same after the same calls.

        Args:
            arrays: as `serialize` gave them; not kept.

        Raises:
            ConfigError: they hold factors of another width, or one is missing.
        """
        wanted = {"counts", *self._now.arrays()}
        if any(name.startswith(_NEXT) for name in arrays):
            wanted |= {_NEXT + name for name in ("touched", *Sample._fields)}
        if missing := wanted - arrays.keys():
            raise ConfigError(
                f"the snapshot's vector index lacks {', '.join(sorted(missing))}",
                fix="start without the snapshot",
            )
        width = arrays["vectors"].shape[1]
        if width != self.n_factors:
            raise ConfigError(
                f"the snapshot's vector index holds {width} factors per item, the settings say {self.n_factors}",
                fix="set engine.n_factors to what the snapshot was made with, or start without the snapshot",
            )
        pending = {name.removeprefix(_NEXT): each for name, each in arrays.items() if name.startswith(_NEXT)}
        self._trained, self._waiting = Trained.restore(arrays), []
        self._next = Rebuild.restore(pending, recall=self._recall, seed=self._seed) if pending else None
        self._updates, self._updates_before, self._rebuilds, self._waited = arrays["counts"].tolist()

    def stats(self) -> IndexStats:
        """How the index stands."""
        now = self._now
        return IndexStats(
            n=len(self),
            kind="exact" if now.file.n_lists == 1 else "ivf",
            nlist=now.file.n_lists,
            nprobe=now.figures.n_probed,
            scanned=now.figures.scanned,
            recall=now.figures.recall,
            updates=self._updates,
            rebuilds=self._rebuilds,
            is_rebuilding=self._next is not None,
        )

    def _lists_wanted(self) -> int:
        return 1 if len(self) <= self._exact_below else lists_for(len(self))

    def _count(self, rows: NDArray[np.int32], n: int) -> None:
        self._updates += n
        if self._next is not None:
            self._next.touch(rows)

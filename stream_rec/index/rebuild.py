"""A training that is under way beside the index that answers meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.index.inverted_file import InvertedFile
from stream_rec.index.training import Trained, train


class Sample(NamedTuple):
    """What a training starts from; it is not changed.

    Attributes:
        rows: int32 [n], ascending.
        vectors: float32 [n, d].
        queries: float32 [m, d], what will be asked.
        n_lists: int64 [1].
    """

    rows: NDArray[np.int32]
    vectors: NDArray[np.float32]
    queries: NDArray[np.float32]
    n_lists: NDArray[np.int64]


class Rebuild:
    """The training's result to come, what it started from, and the rows whose vectors it does not know.

    The training runs in a thread of its own, which is not a daemon: the process ends only after it, so FAISS is never
    cut off in mid-computation.

    Args:
        sample: as of now.
        recall: wanted, see `train`.
        seed: see `train`.
    """

    def __init__(self, sample: Sample, *, recall: float, seed: int) -> None:
        self._sample = sample
        self._touched = np.zeros(1024, np.bool_)
        self._result: Future[Trained] = Future()

        def run() -> None:
            try:
                trained = train(*sample[:3], n_lists=int(sample.n_lists[0]), recall=recall, seed=seed)
            except BaseException as error:  # noqa: BLE001 - raised again where the rebuild is joined
                self._result.set_exception(error)
            else:
                self._result.set_result(trained)

        threading.Thread(target=run, name="index-rebuild").start()

    def touch(self, rows: NDArray[np.int32]) -> None:
        """These rows were put in or taken out since the start."""
        if len(rows) == 0:
            return
        n = len(self._touched)
        if rows.max() >= n:
            self._touched = np.pad(self._touched, (0, max(int(rows.max()) + 1, 2 * n) - n))
        self._touched[rows] = True

    def join(self, old: InvertedFile) -> tuple[Trained, int]:
        """Wait for the training, then give its file what the old one has in the touched rows.

        Returns:
            The trained file, up to date, and how many rows were touched.
        """
        trained = self._result.result()
        touched = self._touched_rows()
        left = touched[old.contains(touched)]
        trained.file.remove(touched)
        trained.file.upsert(left, old.vectors(left))
        return trained, len(touched)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, as arrays, without waiting: the training is a function of the sample, so it is done again."""
        return self._sample._asdict() | {"touched": self._touched_rows()}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], *, recall: float, seed: int) -> Rebuild:
        """Begin again what `arrays` came from, from the same sample."""
        rebuild = cls(Sample(*(arrays[name].copy() for name in Sample._fields)), recall=recall, seed=seed)
        rebuild.touch(arrays["touched"])
        return rebuild

    def _touched_rows(self) -> NDArray[np.int32]:
        return np.flatnonzero(self._touched).astype(np.int32)

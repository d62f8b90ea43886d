"""A training that is under way beside the index that answers meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.index.inverted_file import InvertedFile
from stream_rec.index.training import Trained


class Rebuild:
    """The training's result to come, and the rows whose vectors it does not know."""

    def __init__(self, result: Future[Trained]) -> None:
        self._result = result
        self._touched = np.zeros(1024, np.bool_)

    @classmethod
    def start(cls, training: Callable[[], Trained]) -> Rebuild:
        """Run the training in a thread of its own.

        The thread is not a daemon: the process ends only after it, so FAISS is never cut off in mid-computation.
        """
        result: Future[Trained] = Future()

        def run() -> None:
            try:
                result.set_result(training())
            except BaseException as error:  # noqa: BLE001 - raised again where the rebuild is joined
                result.set_exception(error)

        threading.Thread(target=run, name="index-rebuild").start()
        return cls(result)

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
        """Everything, as arrays, after waiting for the training."""
        return self._result.result().arrays() | {"touched": self._touched_rows()}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Rebuild:
        """Build what `arrays` came from: a training that is done and waits to be joined."""
        result: Future[Trained] = Future()
        result.set_result(Trained.restore(arrays))
        rebuild = cls(result)
        rebuild.touch(arrays["touched"].astype(np.int32))
        return rebuild

    def _touched_rows(self) -> NDArray[np.int32]:
        return np.flatnonzero(self._touched).astype(np.int32)

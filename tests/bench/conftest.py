"""Benches start many workers: here they are forks of one that has imported everything."""

from __future__ import annotations

import pytest

from stream_rec.embedded import child_process
from tests.forked.process import Spawner


@pytest.fixture(autouse=True)
def _forked(monkeypatch: pytest.MonkeyPatch) -> None:
    spawner = Spawner(child_process._spawner())
    monkeypatch.setattr(child_process, "_spawner", lambda: spawner)

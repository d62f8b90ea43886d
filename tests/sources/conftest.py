"""Kernels are compiled before the first test: it can take minutes once, and no test's time-out should count it."""

from __future__ import annotations

import pytest

from stream_rec.engine.warm import warm_up


def pytest_collection_finish(session: pytest.Session) -> None:
    if not session.config.option.collectonly:
        warm_up()

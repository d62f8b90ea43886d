"""Kernels are compiled before the first test: it can take minutes once, and no test's time-out should count it."""

from __future__ import annotations

from stream_rec.engine.warm import warm_up


def pytest_collection_finish() -> None:
    warm_up()

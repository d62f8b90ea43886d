"""A folder for the sink on each kind of file system, and a log to write down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.history.snapshots.conftest import _object_store, bucket, object_store  # noqa: F401
from tests.history.snapshots.places import Place, in_memory


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "s3":
        yield request.getfixturevalue("bucket")
    elif request.param == "folder":
        yield Place(str(tmp_path / "sink"))
    else:
        with in_memory() as made:
            yield made

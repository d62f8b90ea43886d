"""A folder for the sink on each kind of file system, and a log to write down."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.history.snapshots.conftest import _object_store, bucket, object_store  # noqa: F401
from tests.history.snapshots.places import Place


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "s3":
        made: Place = request.getfixturevalue("bucket")
        return made
    return Place(str(tmp_path / "sink") if request.param == "folder" else f"memory://{uuid.uuid4().hex}")

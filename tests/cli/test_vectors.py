"""`stream-rec vectors`: load, list, remove."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from stream_rec.bus.topics import ensure_topics
from stream_rec.settings import Settings
from tests.cli.running import addresses, run


def saved(folder: Path, n: int, dimension: int) -> tuple[str, str]:
    matrix, ids = folder / f"{n}x{dimension}.npy", folder / f"{n}.txt"
    np.save(matrix, np.random.default_rng(n).normal(size=(n, dimension)).astype(np.float32))
    ids.write_text("".join(f"i{row}\n" for row in range(n)))
    return str(matrix), str(ids)


def listed(settings: Settings) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        run("vectors", "list", "--json", environment=addresses(settings)).stdout
    )
    return found


def test_load_list_and_remove(tansu_settings: Settings, tmp_path: Path) -> None:
    ensure_topics(tansu_settings.bus)
    at = addresses(tansu_settings)
    for space, n, dimension in (("text", 12, 5), ("image", 3, 7), ("text", 10, 5)):
        matrix, ids = saved(tmp_path, n, dimension)
        done = run("vectors", "load", matrix, "--ids", ids, "--space", space, environment=at)
        assert done.returncode == 0, done.stderr
        assert f"{n} vectors of {space} published" in done.stdout
    assert listed(tansu_settings) == [
        {"space": "image", "items": 3, "dimension": 7},
        {"space": "text", "items": 12, "dimension": 5},
    ]
    assert (
        "1 vectors of text removed"
        in run("vectors", "remove", "i3", "--space", "text", environment=at).stdout
    )
    assert "3 vectors of image removed" in run("vectors", "remove", "--space", "image", environment=at).stdout
    assert listed(tansu_settings) == [{"space": "text", "items": 11, "dimension": 5}]


def test_vectors_of_another_length_are_refused_before_any_is_sent(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    ensure_topics(tansu_settings.bus)
    at = addresses(tansu_settings)
    matrix, ids = saved(tmp_path, 4, 5)
    assert run("vectors", "load", matrix, "--ids", ids, "--space", "text", environment=at).returncode == 0
    matrix, ids = saved(tmp_path, 4, 6)
    done = run("vectors", "load", matrix, "--ids", ids, "--space", "text", environment=at)
    assert done.returncode == 2
    assert "row 1 has 6 numbers, the space text has 5" in done.stderr
    done = run("vectors", "load", matrix, "--ids", ids, "--space", "content", environment=at)
    assert done.returncode == 2
    assert "reserved_space" in done.stderr
    assert listed(tansu_settings) == [{"space": "text", "items": 4, "dimension": 5}]

"""docs/add-a-source.md to the letter: in a copy of the package, its source is built, held to the contract, and seen."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "add-a-source.md").read_text()
TABLE = "stream_rec/sources/features.py"

SEEN = """
import json, sys
from stream_rec.offline.evaluate.weights import ranker_weights
from stream_rec.settings import EngineSettings
from tests.engine.worlds import click, engine, everywhere

e = engine(max_items=16, sources=("echo",))
for n in range(20):
    click(e, (f"u{n % 3}", "tea", 10_000.0 * n), (f"u{n % 3}", "milk", 10_000.0 * n + 1))
click(e, ("u9", "tea", 300_000.0))
ranked = e.recommend(["u9"], k=1)
proposed = [ranked.items[0][0], e.sources[ranked.sources[0][0]], ranked.because[0][0]]
click(e, *[("u10", f"later{n}", 400_000.0 + n) for n in range(40)])
json.dump(
    {
        "proposed": proposed,
        "named after its eviction": "milk" in everywhere(e, ["u9", "u10"], k=16),
        "on by default": "echo" in EngineSettings().sources,
        "weights": sorted(ranker_weights(e)),
    },
    sys.stdout,
)
"""


def files_of_page() -> dict[str, str]:
    """What the page says to write, by path."""
    return dict(re.findall(r"Write `([\w/.]+)`:\n```python\n(.*?)```", PAGE, re.DOTALL))


def rows_of_page() -> dict[str, str]:
    """What the page says to add, by the table it goes to the end of."""
    return dict(re.findall(r"at the end of `(\w+)`:\n```python\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its tests, with what the page adds; without conftest.py, which starts servers."""
    root = tmp_path_factory.mktemp("add-a-source")
    for folder in ("stream_rec", "tests"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("conftest*"))
    for path, text in files_of_page().items():
        (root / path).write_text(text)
    table = (root / TABLE).read_text()
    for name, row in rows_of_page().items():
        end = re.search(rf"(?ms)^{name} = \(\n.*?^\)", table).end()
        table = f"{table[: end - 1]}    {row.strip()},\n{table[end - 1 :]}"
    (root / TABLE).write_text(table)
    return root


def run(copy: Path, *arguments: str) -> str:
    """A Python of the copy's own, in which kernels are plain Python, so that none has to be compiled."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={
            "PYTHONPATH": str(copy),
            "NUMBA_DISABLE_JIT": "1",
            "PYTHONWARNINGS": "ignore",
            "HOME": str(copy),
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_source_of_the_page_is_proposed_evicted_and_listed(copy: Path) -> None:
    seen = json.loads(run(copy, "-c", SEEN))
    assert seen["proposed"] == ["milk", "echo", "tea"]
    assert not seen["named after its eviction"]
    assert seen["on by default"]
    assert "echo" in seen["weights"]


def test_the_source_of_the_page_holds_to_the_contract(copy: Path) -> None:
    (written,) = (path for path in files_of_page() if path.startswith("tests/"))
    assert "passed" in run(copy, "-m", "pytest", "-q", "-n", "0", written)


def test_the_page_writes_two_files_and_two_rows() -> None:
    assert list(files_of_page()) == ["stream_rec/sources/echo.py", "tests/sources/test_echo.py"]
    assert list(rows_of_page()) == ["SOURCES", "FEATURES"]

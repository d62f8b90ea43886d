"""What `import stream_rec` gives, what it costs, and what a type checker makes of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import stream_rec
from tests.cli.running import clean_environment

ROOT = Path(__file__).parents[2]
HEAVY = ("numba", "faiss", "faust", "aiokafka", "river", "polars")

PROGRAM = """\
from stream_rec import AsyncClient, Client, Impression, Interaction, Item, Publisher, load

settings, _ = load()


def publish(publisher: Publisher) -> int:
    return publisher.publish_all([Interaction("ann", "a", "view", 1.7e9), Item("a", "A title")])[0].offset


def read(client: Client) -> list[str]:
    return [place.item_id for place in client.recommendations("ann").items]


async def read_later(client: AsyncClient) -> list[str]:
    return [place.item_id for place in (await client.recommendations("ann")).items]


shown: type[Impression] = Impression
"""


def loaded_after(code: str) -> set[str]:
    """Names of the modules that a fresh interpreter holds then."""
    code += "\nimport sys; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_every_name_that_it_promises_is_there() -> None:
    for name in stream_rec.__all__:
        assert getattr(stream_rec, name).__name__ == name
    assert set(stream_rec.__all__) <= set(dir(stream_rec))


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Engine'"):
        stream_rec.Engine  # type: ignore[attr-defined]  # noqa: B018


def test_the_import_alone_loads_nothing_else() -> None:
    loaded = loaded_after("import stream_rec")
    assert {name for name in loaded if name.startswith("stream_rec")} == {"stream_rec"}


def test_all_of_it_loads_no_engine_and_no_faust() -> None:
    loaded = loaded_after("from stream_rec import *")
    assert loaded.isdisjoint(HEAVY)
    assert loaded.isdisjoint({"stream_rec.engine", "stream_rec.kernels", "stream_rec.consumers"})


def test_a_reader_does_not_load_kafkas_client() -> None:
    assert "confluent_kafka" not in loaded_after("from stream_rec import Client, AsyncClient, load")


def test_a_strictly_typed_program_is_understood_and_a_wrong_one_refused(tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(PROGRAM)
    (tmp_path / "wrong.py").write_text(
        "from stream_rec import Client, Engine\n\n\ndef n(client: Client) -> int:\n    return client.popular()\n"
    )
    checked = subprocess.run(
        # mypy does not see an editable install, which is a hook of Python's: the checkout stands for the package.
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent"),
            *("right.py", "wrong.py"),
        ],
        cwd=tmp_path,
        env=clean_environment(MYPYPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in checked.stdout.splitlines() if ": error:" in line]
    assert [line.split(":")[0] for line in errors] == ["wrong.py", "wrong.py"], (
        checked.stdout + checked.stderr
    )
    assert 'no attribute "Engine"' in errors[0]
    assert "[return-value]" in errors[1]

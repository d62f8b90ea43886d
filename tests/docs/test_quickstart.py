"""docs/quickstart.md works as shown: its blocks are run in their order, with a test's addresses in its settings."""

from __future__ import annotations

import re
import shlex
from contextlib import ExitStack
from pathlib import Path

from stream_rec.embedded.server import free_port
from tests.docs.test_readme import Terminals

PAGE = (Path(__file__).parents[2] / "docs" / "quickstart.md").read_text()


def test_its_blocks_in_their_order(tansu: str, redis_url: str, prefix: str, tmp_path: Path) -> None:
    given = {
        "kafka.example:9092": tansu,
        "redis://redis.example:6379/0": redis_url,
        '"shop-"': f'"{prefix}"',
        '"shop:"': f'"{prefix}"',
    }
    printed: dict[str, str] = {}
    with ExitStack() as running:
        port = free_port()
        terminals = Terminals(tmp_path, running, STREAM_REC__SERVE__PORT=str(port))
        for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
            if language == "toml":
                for shown, own in given.items():
                    assert shown in text
                    text = text.replace(shown, own)
                (tmp_path / "stream-rec.toml").write_text(text)
            elif language == "python":
                printed["python"] = terminals.type(
                    shlex.join(["python", "-c", text.replace("8474", str(port))])
                )
            else:
                printed |= {line: terminals.type(line) for line in text.splitlines()}
    assert {line.split()[0] for line in printed["python"].splitlines()} == {"pot", "cup", "tea"}
    assert "as of events/" in printed["stream-rec recommend ann"]
    assert "FAIL" not in printed["stream-rec doctor"].upper()

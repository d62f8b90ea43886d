"""Running the command line as a user does: a process of its own (`tests/forked` says whose copy)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stream_rec.settings import Settings
from tests.forked.process import start
from tests.reading import messages


def clean_environment(**more: str) -> dict[str, str]:
    """Ours without any setting of stream_rec, plus `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_REC")}  # noqa: TID251
    return kept | {"COLUMNS": "200", "NO_COLOR": "1"} | more


def addresses(settings: Settings) -> dict[str, str]:
    """The environment that leads a command to the servers of a test."""
    return {
        "STREAM_REC__BUS__BOOTSTRAP": settings.bus.bootstrap,
        "STREAM_REC__BUS__PREFIX": settings.bus.prefix,
        "STREAM_REC__BUS__GROUP": settings.bus.group,
        "STREAM_REC__STORE__URL": settings.store.url,
        "STREAM_REC__STORE__PREFIX": settings.store.prefix,
    }


def run(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    deadline_seconds: float = 60.0,
    fresh: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run `stream-rec ARGUMENTS` to its end; its exit code is for the caller to judge."""
    with start(
        arguments,
        fresh=fresh,
        env=clean_environment(**(environment or {})),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=deadline_seconds)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def events(settings: Settings) -> list[dict[str, Any]]:
    """All of the topic, read by a plain consumer."""
    return [json.loads(message.value()) for message in messages(settings.bus, "events")]

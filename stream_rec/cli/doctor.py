"""`doctor`: what is there, what is wrong, and what to do about it."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stream_rec.cli.options import (
    ConfigFile,
    JsonFlag,
    Overrides,
    WrappingConsole,
    read_settings,
    shown_text,
)

if TYPE_CHECKING:
    from stream_rec.doctor import Finding

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_INDENT = 16
_OURS = "stream-rec "


def doctor(as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """Check versions, broker, Redis, topics and the producers' partitioner. Exit code 1 if something fails."""
    from stream_rec.doctor import examine
    from stream_rec.settings.masking import hidden

    settings = read_settings(config, set_)
    console, found, counts = WrappingConsole(), [], Counter[str]()
    for area, finding in examine(settings):
        shown = finding._replace(
            what=hidden(finding.what),
            fix=hidden(finding.fix),
            command=hidden(_complete(finding.command, config, set_ or [])),
        )
        counts[shown.status] += 1
        found.append({"area": area, **shown._asdict()})
        if not as_json:
            _print(console, area, shown)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        console.line(_verdict(counts))
    if counts["fail"]:
        raise typer.Exit(1)


def _complete(command: str, config: Path | None, overrides: list[str]) -> str:
    """A command of ours with the options that led this one to its settings, but for secrets."""
    from stream_rec.settings.masking import hidden

    if not command.startswith(_OURS):
        return command
    options = ["--config", str(config)] if config else []
    for override in overrides:
        options += ["--set", hidden(override)]  # before a quote in it is quoted
    return " ".join([command, *map(shlex.quote, options)])


def _print(console: WrappingConsole, area: str, finding: Finding) -> None:
    what = shown_text(finding.what).plain
    console.line(f"{finding.status:<5} {area:<9} {what}", hang=_INDENT, style=STYLES[finding.status])
    if finding.fix:
        console.line(f"fix: {finding.fix}{':' * bool(finding.command)}", indent=_INDENT)
    if finding.command:
        console.command(finding.command, indent=4)


def _verdict(counts: Counter[str]) -> str:
    if counts["fail"]:
        return f"{counts['fail']} fail, {counts['warn']} warn: a worker cannot run, or runs wrongly"
    if counts["warn"]:
        return f"{counts['warn']} warn: it works, but not as it should"
    return "all is as it should be"

"""`doctor`: what is there, what is wrong, and what to do about it."""

from __future__ import annotations

import json

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, read_settings, shown_text

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """Check versions, broker, Redis, topics and the producers' partitioner. Exit code 1 if something fails."""
    from stream_rec.doctor import examine
    from stream_rec.settings.masking import hidden

    findings = []
    for area, finding in examine(read_settings(config, set_)):
        finding = finding._replace(what=hidden(finding.what), fix=hidden(finding.fix))
        findings.append({"area": area, **finding._asdict()})
        if not as_json:
            _print(area, *finding)
    if as_json:
        print(json.dumps(findings, indent=2))
    if any(finding["status"] == "fail" for finding in findings):
        raise typer.Exit(1)


def _print(area: str, status: str, what: str, fix: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print(
        Text(f"{status:<5}", style=STYLES[status]), Text(f"{area:<9}"), shown_text(what), soft_wrap=True
    )
    if fix:
        console.print(f"{'':15}fix: {fix}", markup=False, highlight=False, soft_wrap=True)

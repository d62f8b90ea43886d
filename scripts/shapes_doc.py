"""Writes the presets, and what the samples of the tests become, into docs/your-data.md, and a catalogue's columns."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from generated import DOCS, renew

from stream_rec import logs
from stream_rec.errors import ConfigError
from stream_rec.offline.datasets import item_files
from stream_rec.offline.datasets.guessing import guess_file
from stream_rec.schemas.item_names import ALIASES
from stream_rec.settings import ShapeSettings
from stream_rec.shapes.messages import RawMessage
from stream_rec.shapes.presets import presets
from stream_rec.shapes.sampling import Guess, of_messages

PAGE = DOCS / "your-data.md"
SAMPLES = Path(__file__).parents[1] / "tests" / "shapes" / "samples"


def fields() -> str:
    """What a shape can say."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for name, field in ShapeSettings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "" if default in ("", (), {}) else f"`{default}`".replace("|", "/")
        lines.append(f"| `{name}` | {shown[:60]} | {(field.description or '').replace('|', '/')} |")
    return "\n".join(lines) + "\n"


def known() -> str:
    """The presets."""
    lines = ["| preset | what it reads |", "|---|---|"]
    for preset in presets().values():
        more = (
            f"; refused: {preset.refused}" if preset.refused else f" ({preset.note})" if preset.note else ""
        )
        lines.append(f"| `{preset.name}` | {(preset.about + more).replace('|', '/')} |")
    return "\n".join(lines) + "\n"


def columns() -> str:
    """Names by which a catalogue's columns are known."""
    lines = ["| field | columns |", "|---|---|"]
    for field in item_files.FIELDS:
        names = ", ".join(f"`{name}`" for name in (field, *ALIASES.get(field, ())))
        if field == "available":
            more = ", ".join(f"`{name}`" for name in item_files.AVAILABLE)
            names += (
                f"; and if each value of the first rows is true, false or a word of product feeds: {more}"
            )
        lines.append(f"| `{field}` | {names} |")
    return "\n".join(lines) + "\n"


def samples() -> str:
    """What the samples become: as whoever types `shape guess` sees it."""
    lines = ["| sample | `shape guess` says | records | left out |", "|---|---|---|---|"]
    for folder in sorted(SAMPLES.iterdir()):
        if folder.name.startswith("live-"):
            for value in sorted(folder.glob("*.value"), key=lambda file: int(file.stem)):
                lines.append(
                    _row(f"{folder.name}/{value.stem}", lambda value=value: of_messages([_message(value)]))
                )
        elif folder.is_dir():
            for file in sorted(folder.iterdir()):
                if file.name != "NOTE.txt":
                    lines.append(_row(f"{folder.name}/{file.name}", lambda file=file: guess_file(file)))
    return "\n".join(lines) + "\n"


def _row(name, look) -> str:  # type: ignore[no-untyped-def]
    try:
        found: Guess = look()
    except ConfigError as error:
        return f"| {name} | refused: {error.message.replace('|', '/')} | 0 | |"
    if found.preset == "confluent":
        return f"| {name} | `confluent`, read with a schema registry | 1 | |"
    left = Counter(
        {f"{reason} ({field}): {detail}": n for (reason, field, detail), n in found.refused.items()}
    )
    words = "; ".join(f"{n} {what}" for what, n in left.items()).replace("|", "/")
    said = f"`{found.preset}`" if found.preset else "fields by their names"
    return f"| {name} | {said} | {len(found.records)} | {words} |"


def _message(value: Path) -> RawMessage:
    import json

    headers = value.with_name(f"{value.stem}.headers.json")
    named = json.loads(headers.read_text()) if headers.exists() else {}
    key = value.with_suffix(".key")
    return RawMessage(
        value.read_bytes(),
        key.read_bytes() if key.exists() else None,
        {name: text.encode() for name, text in named.items()},
        1_700_000_001_000,
        "t",
    )


if __name__ == "__main__":
    logs.configure("error")
    codes = [
        renew(PAGE, name, make())
        for name, make in (("shape", fields), ("presets", known), ("samples", samples))
    ]
    codes.append(renew(DOCS / "catalogue.md", "columns", columns()))
    sys.exit(max(codes))

"""`shape`: what somebody's file or topic is, and what it becomes."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_rec.cli.options import (
    ConfigFile,
    Overrides,
    is_text,
    need_broker,
    read_settings,
    shown_bytes,
    shown_text,
)
from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from stream_rec.offline.datasets.shaped_columns import ColumnCheck
    from stream_rec.settings import Settings
    from stream_rec.shapes.listed_types import ListedTypes
    from stream_rec.shapes.mapper import Mapper
    from stream_rec.shapes.messages import Mapped, RawMessage
    from stream_rec.shapes.presence import Presence
    from stream_rec.shapes.sampling import Guess
    from stream_rec.shapes.schema_registry import SchemaRegistry

shape = typer.Typer(
    name="shape",
    help="Other people's data: what a file or topic is, and what it becomes.",
    no_args_is_help=True,
)
SourceName = Annotated[str, typer.Argument(metavar="FILE|TOPIC", help="a file, folder or zip; else a topic")]
SAMPLES = 200
SHOWN = 3
"""Records, one of each type first."""
KINDS_SHOWN = 12


@shape.command()
def guess(
    source: SourceName,
    name: Annotated[str, typer.Option(help="of the shape; by default the source's")] = "",
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Look at 200 records, print the shape for the settings file, and what the records become by it.

    The shape goes to stdout, so `>> stream-rec.toml` adds it; all else to stderr. Exit code 1 if no record becomes one,
    also because a schema registry has to be named first.
    """
    from stream_rec.offline.datasets.guessing import guess_file
    from stream_rec.offline.datasets.parts import exists
    from stream_rec.schemas.topics import short_name
    from stream_rec.shapes.sampling import of_messages

    settings = read_settings(config, set_)
    own_name = name or _name(source)
    _need_new(own_name, settings)
    is_file = exists(Path(source))
    found = (
        guess_file(Path(source), SAMPLES)
        if is_file
        else of_messages(_messages(source, settings, SAMPLES), _registry(settings))
    )
    if not found.mapped:
        _print_registry()
        raise typer.Exit(1)
    found.name_types(settings.engine.event_types)
    is_foreign = not is_file and short_name(settings.bus.prefix, source) is None
    _print_guess(found, own_name, source if is_foreign and found.records else "", settings)
    _print_samples(found)
    if is_file and "items" in found.settings:
        _line(f"these are items: stream-rec items load {source} --shape {own_name}", err=True)
    if not found.records:
        raise typer.Exit(1)


@shape.command("try")
def try_(
    source: SourceName,
    by: Annotated[str, typer.Option("--shape", metavar="NAME", help="of \\[shapes.NAME], or a preset")],
    n: Annotated[int, typer.Option("--records", min=1, max=10_000, help="how many are shown")] = 10,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Show records of a file or topic, and what they become by a shape. Exit code 1 if none of them becomes one.

    What the shape's own paths name and none of 200 records has is told; of a table it is refused.
    """
    from stream_rec.offline.datasets.parts import exists
    from stream_rec.offline.datasets.reading import Reading
    from stream_rec.offline.datasets.shaped_columns import ColumnCheck
    from stream_rec.shapes.listed_types import ListedTypes, names_in
    from stream_rec.shapes.mapper import Mapper, compile_shape
    from stream_rec.shapes.presence import Presence

    settings = read_settings(config, set_)
    declared = Reading(by, "none", settings.shapes).declared()
    columns = ColumnCheck.of(declared, by)
    presence = Presence(columns.own, columns.shape.framing)
    if exists(Path(source)):
        mapper = Mapper(columns.shape, by)
        n_read, raw = _try_file(Path(source), mapper, columns, presence, n)
    else:
        mapper = compile_shape(declared, by, _registry(settings))
        n_read, raw = _try_topic(_messages(source, settings, max(n, SAMPLES)), mapper, presence, n)
    for said in presence.told():
        _line(f"warning: {said}", err=True)
    _print_types(ListedTypes.of(mapper.shape, declared.types, names_in(raw)), by)
    if not n_read:
        raise typer.Exit(1)


def _try_file(
    path: Path, mapper: Mapper, columns: ColumnCheck, presence: Presence, n: int
) -> tuple[int, list[Mapped]]:
    """Show the first n rows: how many became a record, and what all are without a table of types."""
    from stream_rec.offline.datasets.guessing import first_rows
    from stream_rec.shapes.messages import RawMessage, Refused

    bodies = first_rows(path, columns.shape, max(n, SAMPLES), columns)
    if columns.is_table:
        presence.leave_columns()
    bare, n_read = mapper.without_types(), 0
    raw: list[Mapped] = []
    for row, body in enumerate(bodies):
        message = RawMessage(body.encode() if isinstance(body, str) else b"", offset=row)
        presence.look(body, message)
        if row >= n:
            continue
        if isinstance(body, Refused):
            n_read += _print_record(f"row {row + 1}", body, [body])
            continue
        found = {} if isinstance(body, str) else body
        n_read += _print_record(f"row {row + 1}", body, mapper.of_object(found, message))
        raw += bare.of_object(found, message)
    return n_read, raw


def _try_topic(
    messages: list[RawMessage], mapper: Mapper, presence: Presence, n: int
) -> tuple[int, list[Mapped]]:
    """The same of the last n of these messages."""
    bare, n_read = mapper.without_types(), 0
    raw: list[Mapped] = []
    for message in messages:
        presence.look_at_message(mapper, message)
    for message in messages[-n:]:
        place = f"{message.topic}/{message.partition}/{message.offset}"
        n_read += _print_record(place, _shown(mapper, message), mapper.records(message))
        raw += bare.records(message)
    return n_read, raw


@shape.command("presets")
def list_presets() -> None:
    """List the shapes that are known by name."""
    from stream_rec.shapes.presets import presets

    for preset in presets().values():
        typer.echo(f"{preset.name}: {preset.about}")
        for what in (preset.refused, preset.note):
            if what:
                typer.echo(f"    {what}")


def _messages(topic: str, settings: Settings, n: int) -> list[RawMessage]:
    from stream_rec.bus.foreign import source_bus
    from stream_rec.bus.sample import sample
    from stream_rec.shapes.messages import RawMessage

    bus = source_bus(settings)
    if not bus.bootstrap and re.search(r"[./\\]", topic):
        raise ConfigError(f"there is no file {topic}", fix="name a file, or a topic and bus.bootstrap")
    if not bus.bootstrap:
        need_broker(settings)
    found = [RawMessage(*each) for each in sample(bus, topic, n)]
    if not found:
        raise ConfigError(f"the topic {topic!r} has no message", fix="name one that has some")
    return found


def _registry(settings: Settings) -> SchemaRegistry | None:
    """The one of the settings, if they name one."""
    from stream_rec.shapes.schema_registry import SchemaRegistry

    return SchemaRegistry(settings.registry) if settings.registry.url else None


def _name(source: str) -> str:
    stem = Path(source).name.split(".")[0] or "mine"
    return re.sub(r"[^A-Za-z0-9_-]", "-", stem)[:64]


def _need_new(name: str, settings: Settings) -> None:
    """What is appended to the settings file must not declare a table of it again: nothing could read it then."""
    for table, there in (("shapes", settings.shapes), ("bridge.inputs", settings.bridge.inputs)):
        if name in there:
            raise ConfigError(
                f"the settings have [{table}.{name}] already", fix="--name OTHER, or delete what is there"
            )


def _print_guess(found: Guess, name: str, topic: str, settings: Settings) -> None:
    """The shape, and if it is of a foreign topic the input of the bridge that goes with it."""
    from stream_rec.shapes.as_toml import toml
    from stream_rec.shapes.presets import merges_of, presets

    typer.echo("")  # what it is appended to may have no end of line
    if found.preset:
        preset = presets()[found.preset]
        typer.echo(f"# {found.preset}: {preset.about}")
        if preset.note:
            typer.echo(f"# {preset.note}")
    for said in filter(None, (found.remark, found.note, *found.remarks)):
        _line(f"# {said}")
    if topic and found.preset and merges_of(found.preset):
        _line(
            "# who logs in: with `merge = true` in the shape, what a browser did becomes the account's (see"
        )
        _line('# "Who logs in", docs/your-data.md)')
    for kind in found.priced(settings.engine.event_types):
        _line(
            f"# the value of a {kind} is a price here, and counts as seconds of dwelling until the settings say:"
        )
        typer.echo(f'# [engine.event_types.{kind}]\n# value = "price"')
    typer.echo(found.toml(name))
    if topic:
        typer.echo("\n# `stream-rec bridge` reads the topic by it:")
        typer.echo(toml({"topic": topic, "shape": name}, name, "bridge.inputs"))
    if topic and found.merges:
        typer.echo("\n# who logs in: with this, what a browser did becomes the account's (see")
        typer.echo('# "Who logs in", docs/your-data.md):')
        for line in toml({"merges": found.merges}, name).splitlines()[2:]:
            _line(f"# {line}")


def _print_registry() -> None:
    from stream_rec.shapes.decoding import REGISTRY_LINES

    said = "messages name a schema of a registry. Add its address to the settings file, and guess again:"
    typer.echo("\n".join(f"# {line}" for line in (said, *REGISTRY_LINES)))
    typer.echo("\n".join(("no shape was printed: " + said, *REGISTRY_LINES)), err=True)


def _print_samples(found: Guess) -> None:
    """What the records become, on stderr: stdout is the settings file's."""
    from stream_rec.shapes.sampling import kind_of

    kinds = ", ".join(f"{n:,} {kind}" for kind, n in found.kinds.most_common(KINDS_SHOWN))
    more = ", ..." if len(found.kinds) > KINDS_SHOWN else ""
    unit = f"; times as {found.unit}" if found.unit else ""
    order = "" if not found.n_late else f"; {found.n_late:,} lie before one above them in time"
    became = f"{len(found.records):,} became ours{f': {kinds}{more}' if kinds else ''}"
    _line(f"{found.n:,} records looked at, {became}{unit}{order}", err=True)
    paths = found.settings.get("events", {})
    for (reason, field, detail), n in found.refused.most_common():
        kinds = found.refused_types(reason, field)
        where = f": nothing at {paths[field]}" if reason == "missing_field" and field in paths else ""
        _line(f"  {n:,} {reason} ({field}): {detail}{f'; {kinds}{where}' if kinds else ''}", err=True)
    for (reason, field, detail), n in found.unread.most_common():
        _line(f"  {n:,} without {field}, {reason}: {detail}", err=True)
    first = {kind_of(record): record for record in reversed(found.records)}
    shown = [*first.values(), *(one for one in found.records if one not in first.values())][:SHOWN]
    for record in sorted(shown, key=found.records.index):
        _line(f"  {record}", err=True)


def _shown(mapper: Mapper, message: RawMessage) -> str:
    """A message as text: what it holds, if it is binary and can be decoded."""
    import msgspec

    from stream_rec.errors import ContractError

    value = message.value or b""
    if not is_text(value):
        with suppress(ContractError):
            return ", ".join(
                msgspec.json.encode(one, enc_hook=str).decode() for one in mapper.documents(message)
            )
    return shown_bytes(value)


def _print_record(place: str, value: Any, mapped: list[Any]) -> int:
    from stream_rec.shapes.messages import Refused, Unread

    _line(f"{place}: {str(value)[:300]}")
    for one in mapped:
        if isinstance(one, Refused):
            _line(f"  refused, {one.reason} ({one.field}): {one.detail}")
        elif isinstance(one, Unread):
            _line(f"  without {one.field}, {one.reason}: {one.detail}")
        else:
            _line(f"  {one}")
    return sum(not isinstance(one, Refused | Unread) for one in mapped)


def _print_types(listed: ListedTypes, name: str) -> None:
    """What the shape leaves out by name, and what its `types` list that is not there."""
    from stream_rec.shapes.several_types import numbered

    if listed.left_out:
        _line(f"left out, as shapes.{name}.types does not list them: {numbered(listed.left_out)}", err=True)
    if listed.absent:
        named = [f"{one} (did you mean {meant}?)" if meant else one for one, meant in listed.absent.items()]
        _line(f"shapes.{name}.types lists what is not among these: {', '.join(named)}", err=True)


def _line(text: str, *, err: bool = False) -> None:
    """One of somebody else's: no control characters reach the terminal."""
    typer.echo(shown_text(text).plain, err=err)

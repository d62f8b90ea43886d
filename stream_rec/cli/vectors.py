"""`vectors`: what others know of items, as vectors, into the log and out of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings
from stream_rec.cli.text import Column, table, width
from stream_rec.errors import ConfigError, ContractError

if TYPE_CHECKING:
    from stream_rec.schemas.columns import VectorChange
    from stream_rec.schemas.records import Vector
    from stream_rec.settings import Settings

vectors = typer.Typer(
    name="vectors", help="Vector spaces: embeddings, factors, features of items.", no_args_is_help=True
)
Space = Annotated[str, typer.Option("--space", metavar="NAME", help="of the vector space")]


@vectors.command()
def load(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=".parquet, or .npy with --ids")],
    space: Space,
    ids: Annotated[
        Path | None, typer.Option(metavar="FILE", help="of a .npy: the item_id of each row, one a line")
    ] = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Publish the vectors of a file: each replaces the one that its item had in the space."""
    from stream_rec.producers.feed.vector_files import read_vectors
    from stream_rec.producers.publisher.publisher import Publisher

    settings = read_settings(config, set_)
    need_broker(settings)
    known = {found.name: found for found in _spaces(settings)}
    n = 0
    with Publisher(settings.bus, settings.ingest) as publisher:
        for n, vector in enumerate(_alike(read_vectors(file, space, ids), known.get(space)), start=1):
            try:
                publisher.send(vector)
            except ContractError as error:
                raise ConfigError(
                    f"{file}: row {n}: {error}", fix="correct it; earlier rows are sent"
                ) from error
    typer.echo(f"{n:,} vectors of {space} published")


@vectors.command(name="list")
def list_(as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """Show the spaces of the topic `vectors`. That of `content` is made by workers, from the catalogue."""
    settings = read_settings(config, set_)
    need_broker(settings)
    found = _spaces(settings)
    if as_json:
        print(json.dumps([{"space": s.name, "items": len(s.items), "dimension": s.dimension} for s in found]))
        return
    columns = (Column("space"), Column("items", is_number=True), Column("numbers", is_number=True))
    rows = [(s.name, f"{len(s.items):,}", f"{s.dimension:,}") for s in found]
    print(*table(columns, rows, width()), sep="\n")


@vectors.command()
def remove(
    space: Space,
    items: Annotated[list[str] | None, typer.Argument(metavar="ITEM...", help="by default all")] = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Take items out of a space; a space without items is gone, and its slot is free."""
    from stream_rec.producers.publisher.publisher import Publisher
    from stream_rec.schemas.vector_changes import vector_key

    settings = read_settings(config, set_)
    need_broker(settings)
    of_space = next((found for found in _spaces(settings) if found.name == space), Held(space))
    wanted = sorted(of_space.items) if not items else [item for item in items if item in of_space.items]
    with Publisher(settings.bus, settings.ingest) as publisher:
        for item in wanted:
            publisher.send_raw("vectors", vector_key(space, item).encode(), None)
    typer.echo(f"{len(wanted):,} vectors of {space} removed")


@dataclass(slots=True)
class Held:
    """What the topic has of one space.

    Attributes:
        name: of the space.
        dimension: numbers of its vectors; 0 = it has none.
        items: that have one.
    """

    name: str
    dimension: int = 0
    items: set[str] = field(default_factory=set)


def _alike(read: Iterable[Vector], known: Held | None) -> Iterator[Vector]:
    """Vectors as long as the space's, or as the first one: workers would refuse others, one by one."""
    dimension = known.dimension if known and known.items else 0
    for at, vector in enumerate(read, start=1):
        dimension = dimension or len(vector.values)
        if len(vector.values) != dimension:
            raise ConfigError(
                f"row {at} has {len(vector.values)} numbers, the space {vector.space} has {dimension}",
                fix="give vectors of another model a space of their own, or `stream-rec vectors remove` first",
            )
        yield vector


def _spaces(settings: Settings) -> list[Held]:
    """By name, from the whole topic."""
    from stream_rec.bus.lag import OffsetReader
    from stream_rec.bus.stretches import read_through
    from stream_rec.schemas.vector_changes import decode_vectors

    spaces: dict[str, Held] = {}
    for batch in read_through(settings.bus, OffsetReader(settings.bus).bounds(["vectors"])):
        for change in decode_vectors(batch, batch.span(), settings.ingest).batch.changes:
            _note(spaces.setdefault(change.space, Held(change.space)), change)
    return sorted((space for space in spaces.values() if space.items), key=lambda space: space.name)


def _note(space: Held, change: VectorChange) -> None:
    if change.values is None:
        space.items.discard(change.item_id)
        return
    if not space.items:
        space.dimension = len(change.values)
    if len(change.values) == space.dimension:
        space.items.add(change.item_id)

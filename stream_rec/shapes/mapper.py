"""A shape, compiled: messages in, records and refusals out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from stream_rec.errors import ConfigError, ContractError
from stream_rec.settings.shapes import OUTPUTS, ShapeSettings
from stream_rec.shapes import straight
from stream_rec.shapes.decoding import Decoder
from stream_rec.shapes.framing import unwrap
from stream_rec.shapes.layout import Layout
from stream_rec.shapes.messages import Mapped, RawMessage, Refused, Registry
from stream_rec.shapes.nodes import Constant, Meta, Node, Root, walk
from stream_rec.shapes.outputs import Output, Write, write
from stream_rec.shapes.presets import resolve
from stream_rec.shapes.straight import Read

MAX_LOST = 1000
"""Messages that are not as most were expected to be; then they are no longer."""
TOMBSTONE = Refused("tombstone", "value", "the message has no value")


def compile_shape(shape: ShapeSettings, name: str = "shape", registry: Registry | None = None) -> Mapper:
    """Make a shape's mapper.

    Args:
        shape: as declared; what it does not say is its preset's.
        name: of the shape, for errors.
        registry: of schemas, where the framing is `confluent`.

    Raises:
        ConfigError: the preset is unknown, a path cannot be read, a field is missing, a schema file cannot be read.
    """
    resolved = resolve(shape, name)
    return Mapper(resolved, name, Decoder(resolved, name, registry))


class Mapper:
    """Reads messages by a shape. Not thread-safe while it learns new schemas.

    Args:
        shape: resolved (see `presets.resolve`).
        name: of the shape, for errors.
        decoder: of messages; None = only `of_object` will be called.

    Attributes:
        records: what a message holds, in its order; what could not be read of it is a `Refused` in its place. Raises
            Unavailable if the schema registry does not answer: try the message again.
    """

    def __init__(self, shape: ShapeSettings, name: str, decoder: Decoder | None = None) -> None:
        self.shape, self.name, self._decoder = shape, name, decoder
        given = {kind: getattr(shape, kind) for kind in OUTPUTS}
        self.outputs = [Output.of(kind, fields, f"shapes.{name}") for kind, fields in given.items() if fields]
        if not self.outputs:
            raise ConfigError(
                f"shapes.{name} names no field",
                fix=f"add [shapes.{name}.events] with user_id, item_id and ts, or a preset",
            )
        self.units: dict[str, int] = {}
        """Of times that are numbers, as which units `of_object` has read how many (`unit = "auto"`)."""
        self._write = [write(output, shape, None, self.units) for output in self.outputs]
        ids = [output.fields["item_id"] for output in self.outputs if output.kind == "items"]
        by_key = [path for path in ids if _is_of_key(path)]
        removal = {"item_id": by_key[0], "removed": Constant("yes")} if by_key else {}
        self._remove = write(Output("items", removal, None), shape, None) if removal else None
        self._straight = (
            straight.of_bodies(self.outputs[0], shape, self.units) if len(self.outputs) == 1 else None
        )
        self.records: Read = self._reader()

    def documents(self, message: RawMessage) -> list[Any]:
        """What a message holds, decoded and in its frame.

        Raises:
            ContractError: it cannot be decoded.
            Unavailable: the schema registry does not answer.
        """
        assert self._decoder is not None, "a mapper of rows was given a message"
        return self._decoder.documents(message)

    def without_types(self) -> Mapper:
        """One that leaves event types as they stand in messages, whether the shape lists them or not."""
        return Mapper(
            self.shape.model_copy(update={"types": {}, "other_types": "keep"}), self.name, self._decoder
        )

    def _reader(self) -> Read:
        """What reads messages: by structs where the shape is of JSON without a frame.

        The first bet is that all fields are their first options and of the usual types, the next one that they are of
        those types; whoever loses one too often does not make it again.
        """
        shape, paths = self.shape, [path for output in self.outputs for path in output.paths]
        layout = Layout(paths)
        if not (layout.is_struct(Root()) and shape.format in ("auto", "json") and shape.framing == "none"):
            return self._checked
        read = self._of_structs(layout, self._checked)
        if len(self.outputs) > 1:
            return read
        [output] = self.outputs
        kinds = straight.expected(output, shape)
        read = self._bet(read, lambda unlike: self._of_structs(Layout(paths, kinds), unlike))
        lean = Layout(straight.first_options(output), kinds)
        return self._bet(
            read, lambda unlike: straight.of_messages(output, shape, lean, straight.Ways(unlike))
        )

    def _bet(self, otherwise: Read, make: Callable[[Read], Read | None]) -> Read:
        """What reads messages by a bet; those that lose it are read otherwise, and with many of them all are."""
        n_lost = 0

        def lost(message: RawMessage) -> list[Mapped]:
            nonlocal n_lost
            n_lost += 1
            if n_lost >= MAX_LOST and self.records is bet:
                self.records = otherwise
            return otherwise(message)

        bet = make(lost) or otherwise
        return bet

    def _of_structs(self, layout: Layout, unlike: Read) -> Read:
        """Reads messages whose values fit the structs; `unlike` reads the others."""
        writes = [write(output, self.shape, layout) for output in self.outputs]

        def crooked(body: Any, message: RawMessage) -> list[Mapped]:
            return self._all(writes, body, message, None, [])

        if len(self.outputs) == 1:
            read = straight.of_messages(self.outputs[0], self.shape, layout, straight.Ways(unlike, crooked))
            if read is not None:
                return read
        decode = msgspec.json.Decoder(layout.body).decode

        def decoded(message: RawMessage) -> list[Mapped]:
            try:
                body = decode(message.value)  # type: ignore[arg-type]  # what is none raises
            except straight.UNREADABLE:
                return unlike(message)
            return crooked(body, message)

        return decoded

    def _checked(self, message: RawMessage) -> list[Mapped]:
        return self._of_objects(message) if message.value else self._removed(message)

    def _removed(self, message: RawMessage) -> list[Mapped]:
        """The item that a message without a value removes, where an item's id is the key."""
        out: list[Mapped] = []
        if self._remove is not None:
            self._remove({}, message, None, out)
        return out or [TOMBSTONE]

    def of_object(self, body: Any, message: RawMessage) -> list[Mapped]:
        """As `records`, of a body that is decoded already, its frame around it."""
        unframed = unwrap(self.shape.framing, body, message)
        if isinstance(unframed, Refused):
            return [unframed]
        return self._written(unframed.body, message, unframed.envelope, [])

    def _of_objects(self, message: RawMessage) -> list[Mapped]:
        """A message that the structs do not fit, or that has a frame."""
        try:
            documents = self.documents(message)
        except ContractError as error:
            return [Refused(error.reason, "value", error.detail)]
        found: list[Mapped] = []
        for document in documents:
            unframed = unwrap(self.shape.framing, document, message)
            if isinstance(unframed, Refused):
                found.append(unframed)
            else:
                self._written(unframed.body, message, unframed.envelope, found)
        return found or [Refused("not_kept", "value", "an empty list")]

    def _written(self, body: Any, message: RawMessage, envelope: Any, out: list[Mapped]) -> list[Mapped]:
        """Append what an object becomes."""
        if self._straight is not None and not out:
            one = self._straight(body, message, envelope)
            if one is not None:
                out.append(one)
                return out
        return self._all(self._write, body, message, envelope, out)

    def _all(
        self, writes: list[Write], body: Any, message: RawMessage, envelope: Any, out: list[Mapped]
    ) -> list[Mapped]:
        """Append what a body becomes; what one output leaves out may be another's."""
        first = len(out)
        for each in writes:
            each(body, message, envelope, out)
        if len(writes) > 1 and len(out) - first > 1:
            found = out[first:]
            kept = [one for one in found if not (isinstance(one, Refused) and one.is_meant)]
            out[first:] = kept or [max(found, key=_says)]
        return out


def _says(one: Mapped) -> bool:
    """Does a refusal say more than that a message is for another output?"""
    return isinstance(one, Refused) and one.reason == "no_merge"


def _is_of_key(path: Node) -> bool:
    """Does it look at the message's key, and at nothing else?"""
    looks_at = {node for node in walk(path) if isinstance(node, Root | Meta)}
    return looks_at == {Meta("key")}

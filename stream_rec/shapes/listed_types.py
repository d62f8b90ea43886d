"""Are the event types that a shape's `types` lists those that come? One that is misspelt leaves its events out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from stream_rec.schemas.records import Interaction
from stream_rec.settings.shapes import ShapeSettings
from stream_rec.shapes.event_names import closest
from stream_rec.shapes.mapper import Mapper
from stream_rec.shapes.messages import Mapped, RawMessage, Refused

MAX_NAMED = 20
"""Names that are told apart; events of further ones are counted together."""
FURTHER = "others"


def count_name(counts: Counter[str], name: str, n: int = 1) -> None:
    """Count a name that somebody else chose: of `MAX_NAMED` each, of further ones together."""
    counts[name if name in counts or len(counts) < MAX_NAMED else FURTHER] += n


def types_seen(mapper: Mapper, messages: Iterable[RawMessage]) -> Counter[str]:
    """Event types of messages as they stand there, by number of events, whether the shape lists them or not.

    Raises:
        Unavailable: the schema registry does not answer.
    """
    read = mapper.without_types().records
    return names_in(one for message in messages for one in read(message))


def names_in(mapped: Iterable[Mapped]) -> Counter[str]:
    """Event types of what a mapper without types has made."""
    seen: Counter[str] = Counter()
    for one in mapped:
        if isinstance(one, Interaction):
            seen[one.event_type] += 1
        elif isinstance(one, Refused) and one.theirs:
            seen[one.theirs] += 1
    return seen


@dataclass(frozen=True, slots=True)
class ListedTypes:
    """What a shape lists, and what came.

    Attributes:
        left_out: names that came and that the shape leaves out, by number.
        absent: names that the shape's own `types` list and that did not come; by each the one that was probably meant,
            or "".
        n: events that were looked at.
    """

    left_out: Mapping[str, int]
    absent: Mapping[str, str]
    n: int

    @classmethod
    def of(cls, shape: ShapeSettings, own: Collection[str], seen: Counter[str]) -> ListedTypes:
        """Compared.

        Args:
            shape: resolved.
            own: names that its own table lists, not its preset's.
            seen: names that came, as they stand there.
        """
        other = [name for name in seen if name not in shape.types]
        left_out: Counter[str] = Counter()
        for name in other if shape.types and shape.other_types == "leave_out" else ():
            count_name(left_out, name, seen[name])
        absent = {name: closest(name, other) or "" for name in own if name not in seen} if seen else {}
        return cls(left_out, absent, seen.total())

    @property
    def misspelt(self) -> str:
        """Entries for which another name came that is like it: a line, empty = there is none."""
        return ", ".join(f"{name} (did you mean {meant}?)" for name, meant in self.absent.items() if meant)

"""The tables in README.md that are made from the contract: topics, and reasons of refusal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stream_rec.schemas.topics import TOPICS, Topic
from stream_rec.schemas.validation import REASONS

PAGE = Path(__file__).parent / "README.md"
_DAY_MS = 86_400_000


def page(text: str) -> str:
    """The page with its tables as they should be.

    Raises:
        ValueError: a table's marks are not there.
    """
    for name, lines in (("topics", _topics()), ("reasons", _reasons())):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        head, found, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"no marks {begin.strip()} and {end}")
        text = head + begin + "\n".join(lines) + "\n" + end + tail
    return text


def _topics() -> Iterator[str]:
    yield "| topic | record | key | partitions | kept | read by workers |"
    yield "|---|---|---|---|---|---|"
    for topic in TOPICS.values():
        partitions = topic.partitions or "`bus.partitions`"
        read = "yes" if topic.codec else ""
        yield f"| `{topic.name}` | {topic.record.__name__} | {topic.key} | {partitions} | {_kept(topic)} | {read} |"


def _kept(topic: Topic) -> str:
    if topic.retention_ms is None:
        return "compacted" if topic.compacted else "for ever"
    days = topic.retention_ms // _DAY_MS
    return f"{'compacted, ' if topic.compacted else ''}{days} day{'s' if days > 1 else ''}"


def _reasons() -> Iterator[str]:
    yield "| reason | meaning |"
    yield "|---|---|"
    for reason, meaning in REASONS.items():
        yield f"| `{reason}` | {meaning} |"

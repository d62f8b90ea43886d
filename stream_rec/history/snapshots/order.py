"""Which snapshot is newer: by what was learned, never by a clock, which may go back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import xxhash

from stream_rec.history.snapshots.header import Header

PROMOTED_NOTE = "promoted"
"""Under this key a header's notes count the promotions (roll-backs) before it: what is from before one is older."""

LogKey = tuple[str, tuple[tuple[str, str], ...]]


def log_of(header: Header) -> LogKey:
    """Which log a snapshot is of: Kafka's cluster, and the incarnation of each topic."""
    return header.cluster_id, tuple(sorted((topic, held.log_id) for topic, held in header.logs.items()))


def owner_of(header: Header) -> str:
    """A short name of its log, in the names of data files: a file's owner must be known without its header."""
    return str(xxhash.xxh3_64_hexdigest(msgspec.json.encode(log_of(header))))[:8]


def promotions(header: Header) -> int:
    """Number of promotions before it."""
    n = header.notes.get(PROMOTED_NOTE, 0)
    return n if isinstance(n, int) else 0


def newest_first(headers: Iterable[Header]) -> list[Header]:
    """In the order in which a worker should try them.

    Those of one log stand together: the more promotions and the more records learned, the newer. Between logs, whose
    positions cannot be compared, the time of writing decides.
    """
    logs: dict[LogKey, list[Header]] = {}
    for header in headers:
        logs.setdefault(log_of(header), []).append(header)
    groups = sorted(logs.values(), key=lambda group: max(header.created for header in group), reverse=True)
    return [header for group in groups for header in sorted(group, key=_age, reverse=True)]


def by_kind(headers: Iterable[Header]) -> list[Sequence[Header]]:
    """Newest first, grouped by log and by the identity that an engine needs to take them over."""
    kinds: dict[tuple[LogKey, bytes], list[Header]] = {}
    for header in newest_first(headers):
        form = msgspec.json.encode(header.identity.form, order="deterministic")
        kinds.setdefault((log_of(header), form), []).append(header)
    return list(kinds.values())


def _age(header: Header) -> tuple[int, int, str]:
    return promotions(header), sum(header.position.values()), header.name

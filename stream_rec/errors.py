"""The three families of errors, by what the reader must do next.

Anything else that is raised is a bug and ends the process.
"""

from __future__ import annotations


class StreamRecError(Exception):
    """Base of all errors that stream_rec raises on purpose."""


class ConfigError(StreamRecError):
    """Something the operator set is wrong. Fix what the message names, then start again.

    Args:
        message: what is wrong, in plain words.
        fix: what to do about it; printed on its own line.
    """

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}" if self.fix else self.message


class UnusableSnapshot(ConfigError):
    """A snapshot cannot be started from: an older one is taken, or the log is learned from its beginning.

    Args:
        name: of the snapshot.
        reason: a short, stable code: `unreadable`, `torn`, `corrupt`, `foreign`, `incompatible`, `beyond` (the log).
        detail: what exactly is wrong, for a person.
        fix: what to do about it.
    """

    def __init__(self, name: str, reason: str, detail: str, *, fix: str = "") -> None:
        super().__init__(f"snapshot {name} is {reason}: {detail}", fix=fix)
        self.name = name
        self.reason = reason
        self.detail = detail


class ContractError(StreamRecError):
    """A record breaks the contract on the wire. It goes to `dead-letters`, is counted, and the worker goes on.

    Args:
        reason: a short, stable code (`missing_field`, `id_too_long`, ...): a metric label.
        detail: what exactly was wrong, for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Unavailable(StreamRecError):
    """A server did not answer in time. Retried with backoff; after the deadline the caller stops.

    Args:
        service: which one (`kafka`, `redis`).
        detail: the address and what it said.
        waited_seconds: how long was waited.
    """

    def __init__(self, service: str, detail: str, *, waited_seconds: float = 0.0) -> None:
        super().__init__(f"{service} is unavailable after {waited_seconds:.1f} s: {detail}")
        self.service = service
        self.detail = detail
        self.waited_seconds = waited_seconds


class GapError(StreamRecError):
    """A batch begins after the next offset to learn. Read again from `position`; nothing was learned.

    Args:
        topic: of the batch.
        partition: of the batch.
        position: the next offset to learn.
        start: where the batch begins.
    """

    def __init__(self, topic: str, partition: int, position: int, start: int) -> None:
        super().__init__(f"{topic}/{partition}: batch starts at {start}, but {position} comes next")
        self.topic = topic
        self.partition = partition
        self.position = position
        self.start = start

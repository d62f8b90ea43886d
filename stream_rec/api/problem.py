"""Errors as `application/problem+json` (RFC 9457): what, where, and how it is fixed."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from stream_rec.api.answering import NeedsLive
from stream_rec.errors import ConfigError, ContractError, Unavailable
from stream_rec.producers.experiments.experiments import UnknownExperiment
from stream_rec.producers.publisher.async_publisher import QueueFull
from stream_rec.sdk.wire import ProblemBody
from stream_rec.serve.wishes import Busy, UnknownScenario
from stream_rec.trials.states import NotAllowed, UnknownArm

TYPE_PREFIX = "urn:stream-rec:problem:"
RETRY_AFTER_SECONDS = 1


class Kind(NamedTuple):
    """One kind of problem.

    Attributes:
        status: of the answer.
        title: what it is, the same for every occurrence.
        is_passing: whether the same request may succeed a moment later; then the answer has Retry-After.
    """

    status: int
    title: str
    is_passing: bool = False


KINDS: dict[str, Kind] = {
    "unreadable": Kind(400, "The request cannot be read"),
    "no-key": Kind(401, "The request has no key, or one that is not valid"),
    "cross-origin": Kind(403, "Pages of this origin may not ask this"),
    "forbidden": Kind(403, "The key does not allow this"),
    "not-found": Kind(404, "There is no such thing"),
    "method": Kind(405, "This address does not take this method"),
    "conflict": Kind(409, "It cannot be done as things are now"),
    "too-large": Kind(413, "The request is too large"),
    "refused": Kind(422, "What the request says is not valid"),
    "rate": Kind(429, "The key's limit is reached", is_passing=True),
    "queue-full": Kind(429, "Too many records wait for Kafka", is_passing=True),
    "bug": Kind(500, "The server has a fault"),
    "needs-live": Kind(501, "Only a live server can answer this"),
    "not-set-up": Kind(501, "This server is not set up for this"),
    "unavailable": Kind(503, "A server behind this one does not answer", is_passing=True),
    "misconfigured": Kind(503, "A server behind this one refuses"),
    "busy": Kind(503, "Too many requests at a time", is_passing=True),
    "late": Kind(504, "The answer took too long", is_passing=True),
}
"""Every kind of problem, by the end of its `type`."""


class Problem(Exception):
    """What is answered instead.

    Args:
        kind: of KINDS.
        detail, where, fix, reason: as `ProblemBody`.
        retry_after_seconds: of a kind that passes, when it will have passed.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        where: str = "",
        fix: str = "",
        reason: str = "",
        retry_after_seconds: int = RETRY_AFTER_SECONDS,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.where = where
        self.fix = fix
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds

    @property
    def status(self) -> int:
        """Of the answer."""
        return KINDS[self.kind].status

    def body(self, request_id: str = "") -> ProblemBody:
        """As it goes on the wire."""
        kind = KINDS[self.kind]
        said = (self.detail, self.where, self.fix, self.reason, request_id)
        return ProblemBody(TYPE_PREFIX + self.kind, kind.title, kind.status, *said)


_UNKNOWN_FIELD = re.compile(r"Object contains unknown field '(.{1,64})'", re.DOTALL)
_AT = re.compile(r"^(?P<said>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)


def of_validation(error: msgspec.ValidationError, part: str) -> Problem:
    """Of a query or a body that does not have the types it must have."""
    found = _AT.match(str(error))
    said, path = (found["said"], found["path"] or "") if found else (str(error), "")
    said = said.replace("`", "'")
    if unknown := _UNKNOWN_FIELD.fullmatch(said):
        path = f"{path}.{unknown[1]}"
    return Problem("refused", said, where=f"{part} {path.removeprefix('.')}".strip())


def of_error(error: Exception) -> Problem | None:
    """What an error means to the client; None = it is a bug."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ContractError):
        return Problem("refused", error.detail, where="body", reason=error.reason)
    if isinstance(error, Busy):
        return Problem("busy", str(error), fix="try again in a moment, or start another server")
    if isinstance(error, UnknownScenario):
        return Problem("not-found", error.message, where="scenario", fix=error.fix)
    if isinstance(error, UnknownExperiment):
        return Problem("not-found", error.message, where="path name", fix=error.fix)
    if isinstance(error, UnknownArm):
        return Problem("refused", error.message, where="query arm", fix=error.fix)
    if isinstance(error, NotAllowed):
        return Problem("conflict", error.message, fix=error.fix)
    if isinstance(error, QueueFull):
        return Problem(
            "queue-full", str(error), fix="send the same again later, or raise bus.publish_queue_records"
        )
    if isinstance(error, Unavailable):
        return Problem("unavailable", f"{error.service}: {error.detail}", fix="send the same again later")
    if isinstance(error, ConfigError):
        return Problem("misconfigured", error.message, fix=error.fix)
    if isinstance(error, NeedsLive):
        return Problem("needs-live", str(error), fix="ask a server that holds the engine")
    if isinstance(error, TimeoutError):
        return Problem("late", "not answered in time", fix="send the same again later")
    return None

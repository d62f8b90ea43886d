"""What the server answered instead."""

from __future__ import annotations

from stream_rec.errors import StreamRecError
from stream_rec.sdk.wire import ProblemBody


class HttpProblem(StreamRecError):
    """The server refused, or failed, and the same request would be answered the same way again.

    Args:
        body: what it said.
    """

    def __init__(self, body: ProblemBody) -> None:
        said = ": ".join(part for part in (body.title, body.where, body.detail) if part)
        super().__init__(f"{said}\n  fix: {body.fix}" if body.fix else said)
        self.body = body

    @property
    def kind(self) -> str:
        """The end of its type: `refused`, `no-key`, `forbidden`, `not-found` and so on (docs/http.md)."""
        return self.body.type.rpartition(":")[2]

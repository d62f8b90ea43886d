"""Decisions for engines to learn, as they stand on `control`."""

from __future__ import annotations

from typing import Any

from stream_rec.engine.engine import Engine
from stream_rec.engine.learning.people import Forgotten
from stream_rec.kernels.ids import hash_id
from stream_rec.schemas.codec import encode
from stream_rec.schemas.columns import Span
from stream_rec.schemas.decisions import Decision, DecisionBatch, body_of, hash_name
from stream_rec.schemas.records import Control
from stream_rec.settings import IngestSettings


def decision(kind: str, name: str, body: dict[str, Any] | None, at: float = 0.0) -> Decision:
    """Taken by the broker at `at` (seconds); its offset is given by `decide`."""
    if body is None:
        return Decision(-1, int(at * 1000), kind, name, None, b"")
    said = body_of(kind, name, body, IngestSettings())
    return Decision(-1, int(at * 1000), kind, name, said, encode(Control(kind, name, at, body)))


def scenario(name: str, **body: Any) -> Decision:
    """What a scenario is from now on."""
    return decision("scenario", name, body)


def erasure(user_id: str, at: float) -> Decision:
    """A user is forgotten."""
    return decision("erasure", hash_name(hash_id(user_id)), {}, at)


def merge(visitor_id: str, user_id: str, at: float) -> Decision:
    """A visitor is a user."""
    return decision("merge", hash_name(hash_id(visitor_id)), {"user_id": user_id}, at)


def decide(engine: Engine, *decisions: Decision) -> list[Forgotten]:
    """Learn decisions at the next offsets."""
    start = engine.position.get(("control", 0), 0)
    numbered = [each._replace(offset=start + n) for n, each in enumerate(decisions)]
    return engine.learn_control(DecisionBatch(Span("control", 0, 0, start, start + len(numbered)), numbered))

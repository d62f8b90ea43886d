"""What the ranker has learned, with names."""

from __future__ import annotations

from stream_rec.engine.engine import Engine
from stream_rec.kernels import candidates

CONTEXTS = ("0", "1", "2", "3-5", "6+")
"""Items in the session, as `kernels.candidates.context_of` counts them."""

_NAMED = (
    "AFTER",
    "BEFORE",
    "NEXT",
    "NEXT_OLDER",
    "LATER",
    "BACK",
    "COSINE",
    "VECTOR",
    "IN_SESSION",
    "COUNT",
    "IS_LAST",
    "IN_PAST",
    "POPULAR_SHORT",
    "POPULAR_MIDDLE",
    "POPULAR_LONG",
    "YOUTH",
)


def ranker_weights(engine: Engine) -> dict[str, dict[str, float]]:
    """Feature -> context -> how it has moved scores of late; a source of River's is one feature."""
    names = {getattr(candidates, name): name.lower() for name in _NAMED}
    rivers = engine.sources[len(candidates.SOURCES) :]
    names |= {candidates.N_FEATURES + i: name for i, name in enumerate(rivers)}
    slopes = engine.state.ranker.slopes.astype(float)
    return {
        names.get(feature, f"feature_{feature}"): dict(zip(CONTEXTS, column, strict=True))
        for feature, column in enumerate(slopes.T.round(3).tolist())
    }

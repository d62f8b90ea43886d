"""What the ranker has learned, with names."""

from __future__ import annotations

from stream_rec.engine.engine import Engine
from stream_rec.sources.features import FEATURES, NAMES
from stream_rec.sources.ranker import CONTEXTS


def ranker_weights(engine: Engine) -> dict[str, dict[str, float]]:
    """Feature -> context -> how it has moved scores of late; a source of River's is one feature."""
    names = [*(feature.name for feature in FEATURES), *engine.sources[len(NAMES) :]]
    slopes = engine.state.ranker.slopes.astype(float)
    return {
        name: dict(zip(CONTEXTS, column, strict=True))
        for name, column in zip(names, slopes.T.round(3).tolist(), strict=True)
    }

"""What the ranker has learned, with names."""

from __future__ import annotations

from stream_rec.engine.engine import Engine
from stream_rec.sources.features import FEATURES, NAMES
from stream_rec.sources.ranker import CONTEXTS
from stream_rec.sources.vectors import FEATURES as SPACE_FEATURES


def ranker_weights(engine: Engine) -> dict[str, dict[str, float]]:
    """Feature -> context -> how it has moved scores of late (River: one feature a source, spaces: three)."""
    n_others = len(engine.sources) - len(NAMES) - engine.settings.max_spaces
    rivers = engine.sources[len(NAMES) : len(NAMES) + n_others]
    spaces = engine.sources[len(NAMES) + n_others : engine.n_sources_in_use]
    of_spaces = [f"{name} {which}" for name in spaces for which in SPACE_FEATURES]
    names = [*(feature.name for feature in FEATURES), *rivers, *of_spaces]
    slopes = engine.state.ranker.slopes.astype(float)
    return {
        name: dict(zip(CONTEXTS, column, strict=True))
        for name, column in zip(names, slopes.T.round(3).tolist(), strict=False)
    }

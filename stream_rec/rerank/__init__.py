"""Models of our users' own that order what the ranker has scored: ONNX files, run beside the engine's thread."""

OUTCOMES = ("reranked", "late", "resting", "loading", "failed")
"""What became of slates: in the model's order; or without it, as it took too long, rests after that, is not loaded
yet, or cannot be asked."""

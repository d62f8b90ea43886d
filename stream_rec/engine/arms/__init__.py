"""Rankers of arms: kept beside the engine's own, judged and trained on the same examples."""

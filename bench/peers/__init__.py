"""Peers, side by side: other recommenders that learn from streams, and ours, on the same events by the same rules."""

"""Experiments: read from files, moved from state to state, and published."""

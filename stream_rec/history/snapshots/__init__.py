"""Snapshots of the engine: written, listed, checked, loaded (docs/snapshots.md)."""

"""The engine at a moment of the past: snapshot + journal + log (docs/time-travel.md)."""

"""Chaos: faults from a seed under steady traffic, and a witness that does not trust positions (docs/chaos.md)."""

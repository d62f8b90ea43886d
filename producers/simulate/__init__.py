"""Seeded shoppers with hidden tastes, for demos and tests."""

"""What produces every number in the docs: one module a bench, each `run(...) -> dict` of flat figures."""

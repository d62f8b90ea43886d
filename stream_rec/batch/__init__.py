"""Batch beside the stream: what Spark fits on the sink's files, as vector spaces of the engine (docs/batch.md)."""

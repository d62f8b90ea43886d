"""Publish a log again: at full speed, at a rate, or as it happened; resumable."""

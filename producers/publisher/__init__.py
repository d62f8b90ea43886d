"""Publish records, and know where they went."""

"""Clients of the HTTP server; `wire.py` is what both ends send."""

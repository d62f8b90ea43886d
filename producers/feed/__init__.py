"""Rows of events, published at a rate with progress: what replay and simulate share."""

"""Metrics: prequential, attribution, drift, exposition."""

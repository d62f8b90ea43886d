"""Metrics: the table, windows, points, histograms, Prometheus."""

"""Scenarios: read from files, compared with what is in force, and published."""

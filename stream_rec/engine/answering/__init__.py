"""Slates and their reasons, for users and for requests."""

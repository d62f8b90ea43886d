"""Decisions of the shop: scenarios, rules at work, pacing, previews."""

"""What workers publish: slates, metric points, dead letters."""

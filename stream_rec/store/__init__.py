"""Redis: slates, lists, markers, and the embedded server."""

"""The demo: a whole stack of its own, a real log, and a live view of what happens to it."""

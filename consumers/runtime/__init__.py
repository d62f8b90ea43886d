"""Threads, background work, logs and compilation of a worker process."""

"""Slow, obvious twins of the kernels in plain Python and numpy: what the fast ones are held against."""

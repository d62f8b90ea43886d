"""Kernels over the whole state: the fold over events and catalogue records, and the ranking of candidates."""

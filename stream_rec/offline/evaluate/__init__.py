"""Data sets, protocols and offline evaluation of the same engine code."""

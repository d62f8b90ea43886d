"""Interaction logs in files, in one form: readers, column mapping, data sets by name."""

"""What the catalogue says of items, and what hangs on it: windows, categories, lists."""

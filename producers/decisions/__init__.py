"""What people decide, as tables of TOML files: read with the place of every mistake, written, compared."""

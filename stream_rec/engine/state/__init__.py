"""The engine's state as arrays: created, laid out, hashed, kept and given back."""

"""The engine: a fold over single events. No I/O, no clock, no globals."""

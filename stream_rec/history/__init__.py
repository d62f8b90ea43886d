"""The engine as it was: snapshots, the journal, time travel."""

"""One batch of records into the state: stamps, repeats, columns, the loop."""

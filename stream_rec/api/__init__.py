"""The HTTP server: `routes/` has the table of what it answers."""

"""Reading: the client."""

"""A server that holds the engine: it follows everything, owns nothing, and answers at request time."""

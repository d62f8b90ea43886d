"""The journal: in which order a worker learned."""

"""Follow everything, own a part: ownership, the follower, and the one gate to the engine (docs/follow.md)."""

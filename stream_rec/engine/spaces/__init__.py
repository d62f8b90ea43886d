"""Vector spaces and the vector index, as the engine drives them."""

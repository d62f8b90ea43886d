"""Sources of candidates, one a file, and the ranker that blends them."""

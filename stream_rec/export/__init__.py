"""What the engine has learned, in forms that other programs run."""

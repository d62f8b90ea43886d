"""Programs that publish: replay, simulate, and the Publisher for users' own code."""

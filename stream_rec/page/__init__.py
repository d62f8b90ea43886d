"""A page in a browser to see and steer one tenant: figures, users, items, scenarios, workers."""

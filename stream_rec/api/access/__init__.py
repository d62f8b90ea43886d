"""Who may call: keys, their limits, and the visitors of browser keys."""

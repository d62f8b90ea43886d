"""What may be shown, and what counts more: expressions over items' attributes, compiled to a bit and a float each."""

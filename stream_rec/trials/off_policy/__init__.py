"""Off-policy evaluation: what another policy would have earned, from a log in which chance had a say."""

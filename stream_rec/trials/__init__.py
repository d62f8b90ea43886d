"""Trials: experiments from assignment to decision, and the statistics between them. Needs no engine."""

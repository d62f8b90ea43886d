"""Do the arms have the users that they were given? If not, nothing else about the experiment can be believed."""

from __future__ import annotations

import math
from collections.abc import Sequence

CONCENTRATION = 100.0
"""Of the Dirichlet mixture around the planned shares: small finds large faults early, large finds small ones late."""


def log_evidence(
    users: Sequence[float], weights: Sequence[float], concentration: float = CONCENTRATION
) -> float:
    """The natural logarithm of the e-value against the planned shares.

    Lindon & Malek (2022, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS, eq. 7): the Bayes factor of a
    Dirichlet(a), a = concentration * shares, against the shares themselves:
    B(a + x) / B(a) / prod share_i^x_i. A martingale from 1 if the shares hold, so it ever reaches 1 / alpha with
    probability alpha at most, however often one looks.

    Args:
        users: counts by arm.
        weights: planned, above 0; they need not sum to 1.
        concentration: of the mixture.
    """
    whole = math.fsum(weights)
    shares = [weight / whole for weight in weights]
    prior = [concentration * share for share in shares]
    posterior = [a + x for a, x in zip(prior, users, strict=True)]
    plain = math.fsum(x * math.log(share) for x, share in zip(users, shares, strict=True))
    return _log_beta(posterior) - _log_beta(prior) - plain


def p_value(users: Sequence[float], weights: Sequence[float], concentration: float = CONCENTRATION) -> float:
    """Always valid: 1 / evidence, at most 1. Below 0.001 the assignment or the counting is broken."""
    return math.exp(min(0.0, -log_evidence(users, weights, concentration)))


def _log_beta(parts: Sequence[float]) -> float:
    return math.fsum(map(math.lgamma, parts)) - math.lgamma(math.fsum(parts))

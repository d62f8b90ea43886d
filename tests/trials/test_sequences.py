"""Confidence sequences: their formulas against integrals and other people's figures, and what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from stream_rec.trials import sample_ratio
from stream_rec.trials.estimates import Estimate, difference, relative
from stream_rec.trials.fixed import t_test
from stream_rec.trials.moments import Floats
from stream_rec.trials.sequences import (
    EVERYTHING,
    lower,
    p_value,
    p_value_above,
    rho,
    two_sided,
    upper,
)


def arm(n: int, total: float, squares: float) -> Estimate:
    mean = total / n
    return Estimate(n, mean, (squares - n * mean * mean) / (n - 1) / n)


CONTROL, BLUE = arm(4000, 1200.0, 5000.0), arm(4100, 1400.0, 5900.0)


@pytest.mark.parametrize(
    ("alpha", "low", "high"),
    [(0.05, -0.03398437931361435, 0.11691120858190711), (0.01, -0.047241641992202696, 0.13016847126049547)],
)
def test_the_interval_is_that_of_growthbook(alpha: float, low: float, high: float) -> None:
    """Figures of gbstats 0.8.0, SequentialTwoSidedTTest, on the same sums; it needs numpy 1 and cannot be installed."""
    assert tuple(two_sided(difference(CONTROL, BLUE), alpha)) == pytest.approx((low, high))


def test_the_relative_interval_is_that_of_growthbook() -> None:
    found = relative(CONTROL, BLUE)
    assert found.value == pytest.approx(0.13821138211382128)
    assert found.variance == pytest.approx(0.007760201473016173)
    assert tuple(two_sided(found, 0.05)) == pytest.approx((-0.1302990019767286, 0.40672176620437117))


def mixture(n: float, z: float, width: float, *, half: bool) -> float:
    """What the sequences bound: the mean likelihood ratio over normal (or half-normal) drifts, by quadrature."""
    drifted = z * math.sqrt(n)

    def at(drift: float) -> float:
        exponent = drift * drifted - drift * drift * n / 2
        return math.exp(exponent) * float(stats.norm.pdf(drift, scale=width)) * (2 if half else 1)

    spread = 40 * min(width, 1 / math.sqrt(n))
    peak = drifted / (n + 1 / width**2)
    begin = max(0.0, peak - spread) if half else peak - spread
    return float(integrate.quad(at, begin, peak + spread, limit=200)[0])


@pytest.mark.parametrize("n", [150.0, 5_000.0, 400_000.0])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_at_its_edge_the_mixture_is_one_in_alpha(n: float, alpha: float) -> None:
    at = Estimate(n, 0.0, 1 / n)
    z = two_sided(at, alpha).high * math.sqrt(n)
    assert mixture(n, z, rho(alpha), half=False) == pytest.approx(1 / alpha, rel=1e-6)
    z = upper(at, alpha) * math.sqrt(n)
    # The closed form of the one-sided one is a bound from outside.
    assert 1 / alpha <= mixture(n, z, rho(2 * alpha), half=True) <= 1.1 / alpha + 1


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("z", [1.0, 3.2, 5.5])
def test_p_values_and_intervals_say_the_same(alpha: float, z: float) -> None:
    at = Estimate(3000, z * 0.1, 0.01)
    assert (p_value(at, alpha) <= alpha) == (not two_sided(at, alpha).has(0.0))
    assert (p_value_above(at, alpha) <= alpha) == (lower(at, alpha) > 0)
    assert p_value_above(at._replace(value=-at.value), alpha) == 1


def test_the_interval_is_tightest_where_it_is_tuned() -> None:
    in_errors = {n: two_sided(Estimate(n, 0.0, 1.0), 0.05).high for n in (500, 2500, 5000, 10_000, 50_000)}
    assert min(in_errors, key=lambda n: in_errors[n]) == 5000


def test_a_side_alone_reaches_less_far() -> None:
    at = difference(CONTROL, BLUE)
    both = two_sided(at, 0.05)
    assert both.low < lower(at, 0.05) < at.value < upper(at, 0.05) < both.high


def test_what_has_not_varied_is_not_known() -> None:
    assert two_sided(Estimate(500, 0.3, 0.0), 0.05) == EVERYTHING
    assert p_value(Estimate(500, 0.3, 0.0)) == p_value_above(Estimate(500, 0.3, 0.0)) == 1


def walks(n_streams: int, n_users: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """[streams, looks] of means and standard errors, and the looks, of skewed users whose mean is 0.3."""
    chance = np.random.default_rng(seed)
    users = chance.poisson(chance.gamma(0.5, 0.6, (n_streams, n_users))).astype(np.float64)
    looks = np.arange(100, n_users + 1, 25)
    sums, squares = (np.cumsum(each, axis=1)[:, looks - 1] for each in (users, users**2))
    means = sums / looks
    return means, (squares / looks - means**2) / (looks - 1), looks.astype(np.float64)


def test_looked_at_all_the_time_it_covers_and_a_t_test_does_not() -> None:
    means, variances, looks = walks(400, 4000, seed=7)
    missed, missed_below, fooled = 0, 0, 0
    for mean, variance in zip(means, variances, strict=True):
        estimates = [Estimate(*each) for each in zip(looks, mean, variance, strict=True)]
        missed += any(not two_sided(each, 0.05).has(0.3) for each in estimates)
        missed_below += any(lower(each, 0.05) > 0.3 for each in estimates)
        fooled += bool(np.any(np.abs(mean - 0.3) > 1.96 * np.sqrt(variance)))
    assert missed / 400 <= 0.05
    assert missed_below / 400 <= 0.05
    assert fooled / 400 > 0.2


@pytest.mark.parametrize(
    ("users", "weights", "odds"),
    [
        ([520, 480], [1, 1], 0.623052039198119),
        ([5200, 4800], [0.5, 0.5], 274.13300594668357),
        ([1500, 1430, 1250], [1, 1, 2], 6.410350655118138e145),
    ],
)
def test_the_sample_ratio_is_that_of_savvi(users: list[int], weights: list[float], odds: float) -> None:
    """Figures of savvi 0.3.1, by one of the paper's authors, concentration 100; it needs solvers that we do not."""
    assert sample_ratio.log_evidence(users, weights) == pytest.approx(math.log(odds), rel=1e-9)
    assert sample_ratio.p_value(users, weights) == pytest.approx(min(1.0, 1 / odds))


def test_a_right_split_is_hardly_ever_doubted_and_a_wrong_one_is_found() -> None:
    chance = np.random.default_rng(3)
    doubted, found = 0, 0
    for share, wrong in [(0.5, False)] * 200 + [(0.47, True)] * 50:
        taken = np.cumsum(chance.random(20_000) < share)[99::100]
        looks = np.arange(100, 20_001, 100)
        evidence = [sample_ratio.log_evidence((n, m - n), (1, 1)) for n, m in zip(taken, looks, strict=True)]
        alarmed = max(evidence) > math.log(1 / 0.05)
        found, doubted = found + (alarmed and wrong), doubted + (alarmed and not wrong)
    assert doubted / 200 <= 0.05
    assert found == 50


def test_a_t_test_of_two_like_arms_is_that_of_scipy() -> None:
    chance = np.random.default_rng(5)
    a, b = chance.normal(0, 1, 60), chance.normal(0.3, 2, 90)
    ours = t_test(*(Estimate(len(x), x.mean(), x.var(ddof=1) / len(x)) for x in (a, b)))
    theirs = stats.ttest_ind(b, a, equal_var=False)
    assert (ours.p_value, ours.degrees) == pytest.approx((theirs.pvalue, theirs.df))
    assert tuple(ours.interval) == pytest.approx(tuple(theirs.confidence_interval()))

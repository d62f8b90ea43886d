"""What is normal outlives who has learned it: bit for bit, bounded, refused with the reason where it does not fit."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from stream_rec.errors import ContractError
from stream_rec.feedback.baselines import as_text, from_text
from stream_rec.feedback.drift import LevelTest, Moved
from stream_rec.feedback.kept import KeptTest
from stream_rec.feedback.normal_level import CHAPTERS
from stream_rec.feedback.season import HOURS, MS_PER_HOUR
from stream_rec.schemas.baseline import MAX_STATE
from tests.feedback.test_season import NIGHT, PER_HOUR, rates

Hours = list[tuple[int, NDArray[np.float64]]]


def shop(rate: NDArray[np.float64], seed: int = 3) -> Hours:
    """Hits of each hour, and when it began (ms)."""
    rng = np.random.default_rng(seed)
    return [
        (n * MS_PER_HOUR, (rng.random(PER_HOUR) < each).astype(np.float64)) for n, each in enumerate(rate)
    ]


def told(test: LevelTest, hours: Hours) -> Iterator[tuple[int, Moved]]:
    for at, hits in hours:
        for moved in test.update(hits, at):
            yield at // MS_PER_HOUR, moved


def again(test: LevelTest) -> LevelTest:
    """Another one, after a restart."""
    found = LevelTest(0.002)
    found.restore(from_text(as_text(test.snapshot())))
    return found


def test_a_restored_test_goes_on_bit_for_bit_wherever_it_was_cut() -> None:
    rate = rates(2 * HOURS + 90)
    rate[2 * HOURS + 60 :] = NIGHT
    hours, whole = shop(rate), LevelTest(0.002)
    expected = list(told(whole, hours))
    assert len(expected) >= 2, "a first night, and a night at noon"
    test, found = LevelTest(0.002), []
    for n, (at, hits) in enumerate(hours):
        for part in (hits[:333], hits[333:]):  # within a block, too
            found += [(at // MS_PER_HOUR, moved) for moved in test.update(part, at)]
            if n % 37 == 0:
                test = again(test)
    assert found == expected
    assert test.snapshot() == whole.snapshot()
    assert test.n_values == PER_HOUR * len(hours)


def test_nights_are_no_alarm_after_a_restart_and_a_night_at_noon_is() -> None:
    """Without what was kept a worker takes its first night for a fall, and for weeks a night at noon for a night."""
    learned, rest = shop(rates(3 * HOURS)), shop(np.r_[rates(60), np.full(24, NIGHT)], seed=4)
    later = [(at + 3 * HOURS * MS_PER_HOUR, hits) for at, hits in rest]
    before = LevelTest(0.002)
    list(told(before, learned))
    (found,) = told(again(before), later)
    assert 3 * HOURS + 60 <= found[0] <= 3 * HOURS + 64
    assert list(told(LevelTest(0.002), later[:60])), "who begins anew cries wolf"


def test_a_change_that_was_told_since_is_not_told_again() -> None:
    rng, test = np.random.default_rng(5), LevelTest(0.002)
    test.update((rng.random(50_000) < 0.4).astype(np.float64), 0)
    kept, low = test.snapshot(), (rng.random(50_000) < 0.2).astype(np.float64)
    unaware, aware = LevelTest(0.002), LevelTest(0.002)
    unaware.restore(kept)
    aware.restore(kept, has_changed=True)
    assert (len(unaware.update(low, 0)), len(aware.update(low, 0))) == (1, 0)


def test_what_is_kept_is_bounded() -> None:
    rng, test = np.random.default_rng(6), LevelTest(0.002)
    for hour in range(550):
        test.update(rng.random(2_000), hour * MS_PER_HOUR)
    kept = test.snapshot()
    assert max(len(each.lows) for each in kept.normal.level.scales) == CHAPTERS
    assert len(as_text(kept)) < MAX_STATE


def made() -> KeptTest:
    test = LevelTest(0.002)
    list(told(test, shop(rates(HOURS + 30))))
    return test.snapshot()


KEPT = made()
NAN = float("nan")


def packed(kept: object) -> str:
    return base64.b64encode(zlib.compress(msgspec.msgpack.encode(kept))).decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("?", "cannot be read"),
        (base64.b64encode(b"abc").decode(), "cannot be read"),
        (as_text(KEPT)[:-40], "cut short"),
        (packed(b"\0" * (1 << 20)), "cut short"),
        (packed([1, 2]), "cannot be read"),
        (packed(replace(KEPT, season=replace(KEPT.season, means=KEPT.season.means[1:]))), "167 hours"),
        (packed(replace(KEPT, season=replace(KEPT.season, waiting=(0.1,) * 500))), "blocks that wait"),
        (packed(replace(KEPT, sums=())), "blocks that wait"),
        (packed(replace(KEPT, in_block=50)), "counts"),
        (packed(replace(KEPT, sum=NAN)), "not a number"),
        (
            packed(replace(KEPT, normal=replace(KEPT.normal, level=replace(KEPT.normal.level, mean=NAN)))),
            "levels",
        ),
        (
            packed(replace(KEPT, normal=replace(KEPT.normal, level=replace(KEPT.normal.level, scales=())))),
            "levels",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ContractError) as refused:
        from_text(text)
    assert why in refused.value.detail

"""What a test for lasting changes has learned, as text: a record of `control` carries it to whoever comes later.

msgpack (`kept`), deflated, in base64: some ten thousand characters.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Iterator

import msgspec

from stream_rec.errors import ContractError
from stream_rec.feedback.drift import BLOCK, WINDOWS
from stream_rec.feedback.kept import KeptLevel, KeptNormal, KeptTest
from stream_rec.feedback.normal_level import CHAPTERS, SCALES
from stream_rec.feedback.season import HOURS, LAG_BLOCKS

VERSION = 1
"""Of what is kept and of what it means; another is refused."""
_MAX_BYTES = 1 << 17
"""Inflated."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(KeptTest).decode


def as_text(kept: KeptTest) -> str:
    """As a record carries it."""
    return base64.b64encode(zlib.compress(_encode(kept))).decode()


def from_text(text: str) -> KeptTest:
    """What `as_text` was given.

    Raises:
        ContractError: it is not what this release keeps; `bad_body`.
    """
    try:
        inflate = zlib.decompressobj()
        packed = inflate.decompress(base64.b64decode(text, validate=True), _MAX_BYTES)
        if not inflate.eof:
            raise ContractError("bad_body", f"it is cut short, or longer than {_MAX_BYTES} bytes")
        kept = _decode(packed)
    except (binascii.Error, zlib.error, msgspec.DecodeError) as error:
        raise ContractError("bad_body", f"it cannot be read: {error}") from None
    if fault := next(_faults(kept), ""):
        raise ContractError("bad_body", f"it does not fit: {fault}")
    return kept


def _faults(kept: KeptTest) -> Iterator[str]:
    season = kept.season
    if (len(season.means), len(season.weeks)) != (HOURS, HOURS):
        yield f"{len(season.means)} hours of a week"
    if not 1 <= len(kept.sums) <= WINDOWS[-1] + 1 or len(season.waiting) > LAG_BLOCKS:
        yield "blocks that wait"
    if not 0 <= kept.in_block < BLOCK or min(kept.n_blocks, kept.silent, kept.n_values, season.n) < 0:
        yield "counts"
    numbers = (*season.means, *season.waiting, *kept.sums, kept.sum, season.sum)
    sides = (number for each in season.sides for number in (each.sum, each.level, each.expected))
    if not all(map(math.isfinite, (*numbers, *sides))):
        yield "not a number"
    for normal in (kept.normal, season.normal):
        yield from _faults_of_normal(normal)


def _faults_of_normal(normal: KeptNormal) -> Iterator[str]:
    for level in (normal.level, normal.heir):
        if level is not None and not _fits(level):
            yield "levels"


def _fits(level: KeptLevel) -> bool:
    return (
        len(level.scales) == len(SCALES)
        and math.isfinite(level.mean)
        and min(level.n, level.read) >= 0
        and all(
            len(each.lows) == len(each.highs) <= CHAPTERS
            and each.n >= 0
            and 0 <= each.filled < width
            and math.isfinite(each.variance)
            and math.isfinite(each.total)
            and not any(map(math.isnan, (*each.lows, *each.highs)))
            for each, width in zip(level.scales, SCALES, strict=True)
        )
    )

"""What every branch of the settings tree is made of."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, field_validator

TEN_YEARS = 315_360_000


class Branch(BaseModel):
    """Frozen; refuses unknown keys, NaN, infinity and control characters."""

    SHOWN_WHOLE: ClassVar[bool] = False
    """Is an entry of a map listed in one row, with the fields that were set, rather than in one for each field?"""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _printable(cls, value: object) -> object:
        """Neither a file system nor a server takes control characters, and their libraries raise what they like."""
        if isinstance(value, str) and any(ord(character) < ord(" ") for character in value):
            raise ValueError("it has a control character")
        return value

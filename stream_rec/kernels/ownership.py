"""Whose rows an array has, told where the array is declared: `scores: PerItem[np.float32]`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray


class Owner(Enum):
    """Who an array grows with."""

    USER_ROW = "a row per user row"
    ITEM_ROW = "a row per item row"
    HIDDEN_ROW = "a row per hidden id"
    WINDOW_ROW = "a row per id with a window"
    BLOCKED_ROW = "a row per dislike or never"
    UNDOABLE_ROW = "a row per event that can be undone"
    TEXT_ROW = "a row per text of the catalogue"
    ITEM_COLUMN = "an entry per item row along some axis, in snapshots whole"
    ITEM_IN_SLOT = "a row per item row in every slot of a vector space that is in use"
    NOBODY = "nobody"


_T = TypeVar("_T", bound=np.generic)
PerUser = Annotated[NDArray[_T], Owner.USER_ROW]
PerItem = Annotated[NDArray[_T], Owner.ITEM_ROW]
AcrossItems = Annotated[NDArray[_T], Owner.ITEM_COLUMN]
PerItemInSlots = Annotated[NDArray[_T], Owner.ITEM_IN_SLOT]
"""What is declared as a plain NDArray is nobody's."""


def owners(declared: type) -> Mapping[str, Owner]:
    """The owner of every array of a NamedTuple."""
    hints = get_type_hints(declared, include_extras=True)
    return {name: _owner(hint) for name, hint in hints.items()}


def _owner(hint: Any) -> Owner:
    marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Owner)]
    return marks[0] if marks else Owner.NOBODY

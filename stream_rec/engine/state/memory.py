"""What the state takes, by its owner: the sizes that the settings' bounds lead to."""

from __future__ import annotations

from stream_rec.engine.engine import Engine
from stream_rec.engine.state.layout import grows_with, leaves
from stream_rec.engine.state.parts import INDEX
from stream_rec.kernels.ownership import Owner

_OWNERS = {
    Owner.USER_ROW: "users",
    Owner.ITEM_ROW: "items",
    Owner.ITEM_COLUMN: "items",
    Owner.HIDDEN_ROW: "other",
    Owner.TEXT_ROW: "other",
    Owner.WINDOW_ROW: "other",
    Owner.BLOCKED_ROW: "other",
    Owner.UNDOABLE_ROW: "other",
    Owner.ITEM_IN_SLOT: "items",
    Owner.NOBODY: "other",
}


def accounted(engine: Engine) -> dict[str, int]:
    """Bytes of all arrays: `users` and `items` grow with their bounds, `other` does not."""
    joins = sum(array.nbytes for array in engine.attribution.arrays().values())
    sizes = {"users": 0, "items": 0, "other": joins + engine.deduplication.nbytes()}
    for path, array in leaves(engine.state):
        sizes[_OWNERS[grows_with(path)]] += array.nbytes
    sizes["items"] += sum(a.nbytes for name, a in engine.snapshot().items() if name.startswith(INDEX))
    return sizes

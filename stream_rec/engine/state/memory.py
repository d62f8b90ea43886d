"""What the state takes, by its owner: the sizes that the settings' bounds lead to."""

from __future__ import annotations

from stream_rec.engine.engine import Engine
from stream_rec.engine.state.layout import leaves
from stream_rec.engine.state.parts import INDEX

_OF_USERS = ("users.", "histories.", "factors.users", "factors.user_squares")
_OF_EVERYBODY = ("ranker.", "factors.recent", "factors.tag_", "popularity.top")


def accounted(engine: Engine) -> dict[str, int]:
    """Bytes of all arrays: `users` and `items` grow with their bounds, `other` does not."""
    joins = sum(array.nbytes for array in engine.attribution.arrays().values())
    sizes = {"users": 0, "items": 0, "other": joins + engine.deduplication.nbytes()}
    for path, array in leaves(engine.state):
        if path.startswith(_OF_USERS):
            sizes["users"] += array.nbytes
        elif path.startswith(_OF_EVERYBODY):
            sizes["other"] += array.nbytes
        else:
            sizes["items"] += array.nbytes
    sizes["items"] += sum(a.nbytes for name, a in engine.snapshot().items() if name.startswith(INDEX))
    return sizes

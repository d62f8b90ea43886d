"""One reference to all that a kernel reads and writes: unpacking 150 arrays would cost every call 25 us."""

from __future__ import annotations

from numba.core.types import StructRef  # type: ignore[attr-defined]
from numba.experimental import structref

from stream_rec.kernels.compile import kernel_allocating


@structref.register
class _HandleType(StructRef):
    """Fields: s (State), x (Scratch), rates (Rates)."""


class Handle(structref.StructRefProxy):
    """State, scratch and rates for the kernels that Python calls; `hold` makes one."""


structref.define_proxy(Handle, _HandleType, ["s", "x", "rates"])


@kernel_allocating
def hold(s, x, rates):
    """A handle on these arrays. It sees every change in them, but not that another array took one's place."""
    return Handle(s, x, rates)

"""Reads begun early: a query touches hundreds of rows that lie anywhere, and waits for few of them this way."""

from __future__ import annotations

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.extending import intrinsic

FLOATS_PER_LINE = 16
"""float32 in a cache line of 64 bytes."""


@intrinsic
def _prefetch_line(typingctx, array, index):  # noqa: ARG001
    """Ask for the cache line of array.ravel()[index], of a C-ordered array; changes nothing.

    LLVM's `llvm.prefetch`. The address is not read, so one outside of the array does no harm.
    """
    if not (isinstance(array, types.Array) and array.layout == "C" and isinstance(index, types.Integer)):
        return None

    def codegen(context, builder, signature, args):
        value = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0])
        at = builder.gep(value.data, [context.cast(builder, args[1], signature.args[1], types.intp)])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        call = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        )
        read, keep, data = number(0), number(3), number(1)
        builder.call(call, [builder.bitcast(at, byte), read, keep, data])
        return context.get_dummy_value()

    return types.none(array, index), codegen


def _no_prefetch(array, index):
    pass


# As plain Python (NUMBA_DISABLE_JIT=1, to debug a kernel) there is nothing to ask for.
prefetch = _no_prefetch if numba.config.DISABLE_JIT else _prefetch_line

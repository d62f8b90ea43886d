"""A nested tuple of arrays as one word: kernels take a reference to it, and load what they use of it.

A kernel that takes a tuple by value takes every number of every array in it: 1,000 words for the state of an engine,
in each call and in each function that the compiler has to deal with. A reference is a pointer to slots of 8 bytes; for
kernels it looks like the tuple itself (`state.users.seen[row]`), and a tuple within it is a reference again.

Source: https://numba.readthedocs.io/en/stable/extending/low-level.html, typing and lowering of attributes.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.extending import (
    NativeValue,
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    models,
    register_model,
    unbox,
)
from numba.core.imputils import impl_ret_borrowed
from numba.core.types import BaseNamedTuple, unliteral  # type: ignore[attr-defined]
from numba.core.typing.templates import AttributeTemplate
from numpy.typing import NDArray

SLOT_BYTES = 8


class ReferenceType(types.Type):
    """Type of a reference.

    Args:
        fields: name and type of each, in the order of the tuple.
        is_constant: never stored to while a kernel runs (the numbers and pointers, not what the arrays hold).

    Raises:
        TypeError: a field is neither a number nor an array in C order nor a named tuple of such.
    """

    def __init__(self, fields: tuple[tuple[str, types.Type], ...], is_constant: bool) -> None:
        self.is_constant = is_constant
        self.fields: dict[str, tuple[int, types.Type]] = {}
        """First slot and type of each, by name; of a tuple the type is its reference's."""
        at = 0
        for name, field in fields:
            here, n_slots = _slots_of(name, field, is_constant)
            self.fields[name] = (at, here)
            at += n_slots
        self.n_slots = at
        told = ",".join(f"{name}:{slot}:{field}" for name, (slot, field) in self.fields.items())
        super().__init__(
            name=f"Reference{'' if is_constant else 'Here'}{len(fields)}_{crc32(told.encode()):08x}"
        )
        self._key = (is_constant, told)

    @property
    def key(self) -> tuple[bool, str]:
        return self._key


def _slots_of(name: str, field: types.Type, is_constant: bool) -> tuple[types.Type, int]:
    """How kernels see a field, and how many slots it takes: of an array, its address and its shape."""
    if isinstance(field, BaseNamedTuple):
        inner = ReferenceType(tuple(zip(field.fields, field.types, strict=True)), is_constant)
        return inner, inner.n_slots
    if isinstance(field, types.Array) and field.layout == "C":
        return field, 1 + field.ndim
    field = unliteral(field)
    if isinstance(field, (types.Number, types.Boolean)):
        return field, 1
    raise TypeError(
        f"{name} is {field}: a reference holds numbers, arrays in C order, and named tuples of them"
    )


@register_model(ReferenceType)
class _ReferenceModel(models.PrimitiveModel):
    def __init__(self, manager: Any, reference: ReferenceType) -> None:
        super().__init__(manager, reference, cgutils.voidptr_t)


class Reference:
    """A reference that Python holds; its fields are the tuple's, and of a tuple within it a reference.

    It sees every change in the arrays; the tuple itself must not change.

    Args:
        held: named tuple; arrays in C order, numbers, and named tuples of them.

    Raises:
        TypeError: it holds something else.
    """

    def __init__(self, held: Any) -> None:
        words: list[int] = []
        form = _form(held, words)
        if form not in _KINDS:
            kind = numba.typeof(held)
            _KINDS[form] = ReferenceType(tuple(zip(kind.fields, kind.types, strict=True)), is_constant=True)
        self._point(held, _KINDS[form], np.array(words, np.uint64), 0)

    def _point(self, held: Any, kind: ReferenceType, slots: NDArray[np.uint64], first: int) -> None:
        self._held, self._numba_type_, self._slots, self._first = held, kind, slots, first
        self.address = slots.ctypes.data + SLOT_BYTES * first

    def __getattr__(self, name: str) -> Any:
        held = getattr(self._held, name)
        if isinstance(held, tuple):
            slot, kind = self._numba_type_.fields[name]
            assert isinstance(kind, ReferenceType)
            within = object.__new__(Reference)
            within._point(held, kind, self._slots, self._first + slot)
            held = self.__dict__[name] = within
        return held


_KINDS: dict[Any, ReferenceType] = {}
"""By form: to find the types of 150 arrays takes milliseconds."""


def _form(held: Any, words: list[int]) -> tuple[Any, ...]:
    """What the type hangs on; the slots' content is added to `words`."""
    form: list[Any] = [type(held)]
    for value in held:
        if isinstance(value, tuple):
            form.append(_form(value, words))
        elif isinstance(value, np.ndarray):
            form.append((value.dtype, value.ndim, value.flags.c_contiguous, value.flags.writeable))
            words.append(value.ctypes.data)
            words.extend(value.shape)
        else:
            number = np.zeros(SLOT_BYTES, np.uint8)
            bits = np.asarray(value).reshape(1).view(np.uint8)
            number[: len(bits)] = bits
            form.append(type(value))
            words.append(int(number.view(np.uint64)[0]))
    return tuple(form)


@unbox(ReferenceType)
def _unbox(_reference: ReferenceType, of: Any, c: Any) -> NativeValue:
    boxed = c.pyapi.object_getattr_string(of, "address")
    address = c.pyapi.long_as_voidptr(boxed)
    c.pyapi.decref(boxed)
    return NativeValue(address, is_error=c.pyapi.c_api_error())


@infer_getattr
class _Fields(AttributeTemplate):
    key = ReferenceType

    def generic_resolve(self, reference: ReferenceType, name: str) -> types.Type | None:
        return reference.fields[name][1] if name in reference.fields else None


@lower_getattr_generic(ReferenceType)
def _load_field(context: Any, builder: Any, reference: ReferenceType, address: Any, name: str) -> Any:
    slot, field = reference.fields[name]
    if isinstance(field, ReferenceType):
        return _at(builder, address, slot)
    if isinstance(field, types.Array):
        value = _load_array(context, builder, field, address, slot, reference.is_constant)
    else:
        value = _load(builder, address, slot, context.get_data_type(field), reference.is_constant)
        if isinstance(field, types.Boolean):
            value = builder.icmp_unsigned("!=", value, value.type(0))
    return impl_ret_borrowed(context, builder, field, value)


def _at(builder: Any, address: Any, slot: int) -> Any:
    return builder.gep(address, [cgutils.intp_t(slot * SLOT_BYTES)])


def _load(builder: Any, address: Any, slot: int, kind: Any, is_constant: bool) -> Any:
    loaded = builder.load(builder.bitcast(_at(builder, address, slot), kind.as_pointer()))
    if is_constant:  # else whatever is stored through any array would make the compiler load it again
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
    return loaded


def _load_array(context: Any, builder: Any, field: Any, address: Any, slot: int, is_constant: bool) -> Any:
    array = context.make_array(field)(context, builder)
    n_bytes = context.get_abi_sizeof(context.get_data_type(field.dtype))
    shape = [
        _load(builder, address, slot + 1 + axis, cgutils.intp_t, is_constant) for axis in range(field.ndim)
    ]
    strides, n_items = [], cgutils.intp_t(1)
    for length in reversed(shape):
        strides.append(builder.mul(n_items, cgutils.intp_t(n_bytes)))
        n_items = builder.mul(n_items, length)
    context.populate_array(
        array,
        data=_load(builder, address, slot, array.data.type, is_constant),
        shape=shape,
        strides=strides[::-1],
        itemsize=n_bytes,
        meminfo=None,  # whoever made the reference holds the arrays
    )
    return array._getvalue()


def _store(context: Any, builder: Any, held: Any, value: Any, address: Any) -> None:
    """The fields of a tuple into the slots from `address` on."""
    slot = 0
    for place, field in enumerate(held.types):
        part = builder.extract_value(value, place)
        if isinstance(field, BaseNamedTuple):
            _store(context, builder, field, part, _at(builder, address, slot))
            words = []
        elif isinstance(field, types.Array):
            array = context.make_array(field)(context, builder, part)
            words = [array.data, *cgutils.unpack_tuple(builder, array.shape)]
        else:
            words = [context.data_model_manager[field].as_data(builder, part)]
        for at, word in enumerate(words):
            builder.store(word, builder.bitcast(_at(builder, address, slot + at), word.type.as_pointer()))
        slot += _slots_of(held.fields[place], field, False)[1]


@intrinsic
def _lent(_typing: Any, held: Any) -> Any:
    kind = ReferenceType(tuple(zip(held.fields, held.types, strict=True)), is_constant=False)

    def lower(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        slots = cgutils.alloca_once(builder, ir.ArrayType(cgutils.intp_t, kind.n_slots))
        address = builder.bitcast(slots, cgutils.voidptr_t)
        _store(context, builder, held, arguments[0], address)
        return address

    return kind(held), lower


if numba.config.DISABLE_JIT:  # kernels as plain Python, to debug one

    def refer(held: Any) -> Any:
        """The tuple itself."""
        return held

    def lend(held: Any) -> Any:
        """The tuple itself."""
        return held

else:
    refer = Reference
    lend = _lent
    """In a kernel: a reference to a named tuple that the kernel got or made, good until the kernel returns."""

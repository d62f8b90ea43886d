"""Decorators for kernels, and a cache on disk that no edit can make stale.

numba keys its cache by the file of the decorated function alone; a kernel that calls one in another file would keep
the old callee. So the cache folder is named by a hash of the text of every room that holds kernels. What is in it is
verified first (`cache_sums`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numba
import xxhash
from llvmlite.binding import Linkage, parse_assembly
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher, cpu_target
from numba.core.sigutils import normalize_signature

from stream_rec import logs
from stream_rec.errors import ConfigError
from stream_rec.kernels.cache_claims import Claims
from stream_rec.kernels.cache_sums import drop_damaged, record_what_is_compiled
from stream_rec.settings import cache_folder, wanted_cache_folder

ROOMS = ("kernels", "sources", "engine/fold")
"""Folders of the package that hold kernels; no other does."""
PACKAGE = Path(__file__).parents[1]


def digest_of_kernels(package: Path) -> str:
    """A hash of all kernels' text, and of numba's version."""
    digest = xxhash.xxh3_64(numba.__version__.encode())
    for room in ROOMS:
        for path in sorted((package / room).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _cache() -> Path | None:
    """The folder of these kernels; None = they cannot be kept. What is not as wanted is said."""
    log, wanted, name = (
        logs.get("kernels"),
        wanted_cache_folder(),
        Path("kernels", digest_of_kernels(PACKAGE)),
    )
    try:
        folder = cache_folder()
    except ConfigError as error:
        log.warning(
            "compiled kernels cannot be cached: they are recompiled at every start",
            why=error.message,
            fix=error.fix,
        )
        return None
    if folder != wanted:
        log.warning(
            "the cache folder cannot be written: compiled kernels are kept elsewhere",
            wanted=str(wanted or "~/.cache/stream-rec"),
            instead=str(folder),
            fix="set XDG_CACHE_HOME to a writable folder",
        )
        if wanted is not None:
            _copy(wanted / name, folder / name)
    return _verified(folder / name)


def _verified(folder: Path) -> Path | None:
    """The folder without what is not as it was compiled; None if a damaged file in it cannot be deleted."""
    log = logs.get("kernels")
    try:
        n_damaged = drop_damaged(folder)
    except OSError as error:
        log.warning(
            "compiled kernels cannot be verified: they are recompiled at every start",
            folder=str(folder),
            why=str(error),
            fix="delete this folder",
        )
        return None
    if n_damaged:
        log.warning(
            "damaged files in the cache of compiled kernels were deleted: these kernels are recompiled",
            folder=str(folder),
            n_files=n_damaged,
            fix="nothing to do; if it comes up again, check the disk",
        )
    record_what_is_compiled(folder)
    return folder


def _copy(compiled: Path, to: Path) -> None:
    """Take over what was compiled into a folder that is now read-only, as in an image: numba would not read it."""
    if to.exists():
        return
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent) as unfinished:
            shutil.copytree(compiled, Path(unfinished, to.name)).rename(to)
    except (OSError, shutil.Error):  # nothing there, no right to read it, or another process was faster
        return


_CACHE = _cache()
if _CACHE is not None:
    numba.config.CACHE_DIR = str(_CACHE)
_CLAIMS = Claims(_CACHE)

_IS_CACHED = _CACHE is not None
# Nobody calls a kernel by its address in C: no entry for that is compiled.
_ALL: dict[str, Any] = {"error_model": "numpy", "boundscheck": False, "no_cfunc_wrapper": True}
# Said, although it is the default: a callee would inherit it from whoever happened to need it first
# (findings/numba-fastmath-is-inherited-by-callees.sh), and sums in float32 be rounded by that, by 1e-7, which online
# learning carries to 0.1 points of a hit-rate.
_EXACT = {"fastmath": False}
_SUMS = {"fastmath": {"reassoc", "contract", "nsz", "nnan"}}
# Kernels do not count who holds an array: their callers hold it. With numba's counting, each array that a kernel loads
# would be counted up and down again.
_BORROWED = {"_nrt": False}
_COUNTED = {"_nrt": True}
_NOT_CALLED = {"no_cpython_wrapper": True}


_OURS = f"_ZN{len('stream_rec')}stream_rec"
"""How the names of kernels in a module begin; an entry for Python has another name."""
_ENVIRONMENT = "_ZN08NumbaEnv"


class _Library(JITCodeLibrary):
    """Machine code that calls its own copies of the kernels in it.

    A kernel's module holds a copy of all that it calls, optimised once more with its caller: sums differ in their last
    bits. numba leaves copies weak, so that in a process the first one loaded is called by all, and what is learned
    would depend on what was compiled and what was loaded, and in which order.
    """

    _final_module: Any
    _shared_module: Any

    def _finalize_final_module(self) -> None:
        if self._shared_module is None:  # else it comes from the cache
            module = self._final_module
            self._shared_module = _with(module.clone(), Linkage.external, Linkage.linkonce_odr)
            if _is_for_kernels_only(module):
                self._final_module = self._without_code(module)
            else:
                _with(module, Linkage.linkonce_odr, Linkage.internal)
        super()._finalize_final_module()

    def _without_code(self, module: Any) -> Any:
        """Nobody calls it in there: what calls it has its own copy."""
        environments = [str(each) for each in module.global_variables if each.name.startswith(_ENVIRONMENT)]
        empty = parse_assembly("\n".join([str(self._codegen._create_empty_module(self.name)), *environments]))
        empty.name = module.name
        return empty


def _is_for_kernels_only(module: Any) -> bool:
    names = [
        each.name for each in module.functions if not each.is_declaration and each.linkage == Linkage.external
    ]
    return bool(names) and all(name.startswith(_OURS) for name in names)


def _with(module: Any, linkage: Linkage, other: Linkage) -> Any:
    """A module, with functions that had one linkage having another."""
    for function in module.functions:
        if not function.is_declaration and function.linkage == linkage:
            function.linkage = other.name
    return module


cpu_target.target_context.codegen()._library_class = _Library


class _Kernel(CPUDispatcher):
    """Compiled by one process: whoever else needs it at the same time waits, and loads it."""

    def compile(self, sig: Any) -> Any:
        """Compile one signature, as numba asks for it."""
        args, _ = normalize_signature(sig)
        if args in self.overloads or not _IS_CACHED or self._is_in_the_cache(sig):
            return super().compile(sig)
        with global_compiler_lock, _CLAIMS.of(self.claim):
            return super().compile(sig)

    @property
    def claim(self) -> str:
        """What its compilation is claimed by, of its source file: another installation could not load what it makes."""
        return f"{self.py_func.__code__.co_filename}:{self.__qualname__}"

    def _is_in_the_cache(self, sig: Any) -> bool:
        """What only has to be loaded waits for nobody."""
        self.targetctx.refresh()
        key = self._cache._index_key(sig, self.targetctx.codegen())
        return key in self._cache._cache_file._load_index()


class _Inner(_Kernel):
    """A kernel without an entry for Python."""

    def __call__(self, *_: object, **__: object) -> NoReturn:
        """Tell Python that it cannot call it.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"{self.py_func.__module__}.{self.py_func.__qualname__} is for kernels only; "
            "if Python calls it, too, decorate it with `kernel`"
        )


class _ByName(FunctionCache):
    """The cache of a kernel that is known by its name alone, also where numba would look at what its closure holds."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return sig, codegen.magic_tuple(), self._py_func.__qualname__


class _Joined(_Inner):
    """A kernel that is made of others at run time, and named after them."""

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        made_of = [cell.cell_contents for cell in function.__closure__ or ()]
        names = [f"{one.__module__}.{one.__qualname__}" if callable(one) else repr(one) for one in made_of]
        function.__qualname__ = f"{function.__name__}_{xxhash.xxh3_64_hexdigest(','.join(names).encode())}"
        super().__init__(function, **options)

    def enable_caching(self) -> None:
        """As numba's."""
        self._cache = _ByName(self.py_func)


def _decorator(kind: type[CPUDispatcher], **options: Any) -> Any:
    def decorated(function: Callable[..., Any]) -> Any:
        if numba.config.DISABLE_JIT:
            return function
        made = kind(function, targetoptions={"nopython": True, **_ALL, **options})
        if _IS_CACHED:
            made.enable_caching()
        return made

    return decorated


kernel = _decorator(_Kernel, **_EXACT, **_BORROWED)
"""Compiles a function of arrays and numbers: no Python objects, nothing allocated, division by zero as numpy does it.

Called from Python it keeps the interpreter's lock: right below 0.1 ms, where to get it back may take longer."""

kernel_inner = _decorator(_Inner, **_EXACT, **_BORROWED, **_NOT_CALLED)
"""The same for what only kernels call, as most.

It has no entry for Python: code that takes a state of a hundred arrays apart is longer than most kernels."""

kernel_joined = _decorator(_Joined, **_EXACT, **_BORROWED, **_NOT_CALLED)
"""A `kernel_inner` that is made of others at run time: its closure holds them."""

kernel_sums = _decorator(_Kernel, **_SUMS, **_BORROWED)
"""For sums and maxima over numbers that are never NaN: they may be reordered into vector lanes, the same way on every
call on one type of CPU."""

kernel_inner_sums = _decorator(_Inner, **_SUMS, **_BORROWED, **_NOT_CALLED)
"""Both."""

kernel_unlocked = _decorator(_Kernel, nogil=True, **_EXACT, **_COUNTED)
"""For what Python calls and takes long: other threads run meanwhile. May allocate."""

kernel_allocating = _decorator(_Kernel, **_EXACT, **_COUNTED)
"""For what makes arrays and is soon done."""

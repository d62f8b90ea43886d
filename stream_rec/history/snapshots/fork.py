"""A point-in-time copy of memory by `fork`: the child has the pages as they are now, and writes them to a file.

The process has many threads, and the child only the one that forked: a lock that another thread held stays locked for
ever. So the child takes none: everything it needs is made before the fork, and it only writes, then exits, without
Python's own way out. It dies with the thread that forked it, and the parent kills it at a deadline. Signals are blocked
in it, so that what is sent to the whole process group (Ctrl-C) does not cut a last snapshot short.

Copying row blocks when they are written to would save the copy of the page tables (part of `pause_ms` in `stream-rec
bench snapshot`), and cost every kernel a test at every write, for ever.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import select
import signal
import threading
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_FIRST_OWN_FD, _LAST_FD = 3, 1 << 20
_UNKNOWN = 255
"""Exit code of a child that failed without an errno."""
# Called with the interpreter's lock held, which the child has from the start.
_prctl = ctypes.PyDLL(None, use_errno=True).prctl


class WritingChild:
    """A forked child that writes buffers to a file. Fork it in a thread that lives on; wait in any.

    Args:
        buffers: bytes of memory that nobody changes while this is called; written one after another.
        fd: an open file; closed here.

    Raises:
        OSError: no memory, or too many processes.
    """

    def __init__(self, buffers: Sequence[memoryview], fd: int) -> None:
        parent = os.getpid()
        was_collecting = gc.isenabled()
        gc.disable()
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self.pid = os.fork()
            if self.pid == 0:
                _write_and_exit(buffers, fd, parent)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
            if was_collecting:
                gc.enable()
            os.close(fd)
        self._pidfd = os.pidfd_open(self.pid)
        self._lock = threading.Lock()
        self._is_over = False

    def wait(self, timeout_seconds: float) -> None:
        """Wait for it to exit; kill it at the timeout. Call once.

        Raises:
            TimeoutError: it was not done in time.
            OSError: it could not write, e.g. ENOSPC; or it was killed.
        """
        try:
            watch = select.poll()
            watch.register(self._pidfd, select.POLLIN)
            in_time = bool(watch.poll(max(0.0, timeout_seconds) * 1000))
            if not in_time:
                self.kill()
            with self._lock:
                self._is_over = True
            _, status = os.waitpid(self.pid, 0)
        finally:
            os.close(self._pidfd)
        if not in_time:
            raise TimeoutError(errno.ETIMEDOUT, f"not written within {timeout_seconds:.1f} s")
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            raise OSError(errno.EINTR, f"the writing process was killed by signal {-code}")
        if code > 0:
            why = "failed" if code == _UNKNOWN else os.strerror(code)
            raise OSError(code, f"the writing process: {why}")

    def kill(self) -> None:
        """Kill it; `wait` is still to be called, or under way. From any thread."""
        with self._lock:
            # Once it was waited for, its pid may be another process's.
            if not self._is_over:
                os.kill(self.pid, signal.SIGKILL)


def _write_and_exit(buffers: Sequence[memoryview], fd: int, parent: int) -> None:
    """All that the child ever does."""
    code = _UNKNOWN
    try:
        # Sockets of the parent would stay open as long as the child has them.
        os.closerange(_FIRST_OWN_FD, fd)
        os.closerange(fd + 1, _LAST_FD)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == parent:
            for buffer in buffers:
                rest = buffer
                while rest:
                    rest = rest[os.write(fd, rest) :]
            code = 0
    except OSError as error:
        code = error.errno or _UNKNOWN
    finally:
        os._exit(code)

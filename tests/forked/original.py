"""`python -m tests.forked.original LISTENER`: imports everything, loads the kernels, then forks at each order.

It has one thread of Python, and runs no command: what a command changes in a process stays in its own. Polars begins
its threads with its first computation, so in a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import runpy
import select
import signal
import socket
import sys
import threading
from typing import NoReturn

import stream_rec.cli.app  # noqa: F401 - it imports the commands
from stream_rec.embedded.launch import die_with_parent
from tests.forked import wire

IMPORTED = (
    "faust.app.router",
    "faust.assignor",
    "faust.tables.sets",
    "faust.topics",
    "faust.worker",
    "stream_rec.api.server",
    "stream_rec.bench.chaos.worker",
    "stream_rec.bus.dead_letters",
    "stream_rec.bus.item_log",
    "stream_rec.bus.sample",
    "stream_rec.consumers.bridge.process",
    "stream_rec.consumers.bridge.replay",
    "stream_rec.demo.run",
    "stream_rec.doctor",
    "stream_rec.engine.steering.preview",
    "stream_rec.history.time_travel.rebuild",
    "stream_rec.history.time_travel.slate_history",
    "stream_rec.offline.datasets.named",
    "stream_rec.offline.evaluate.report",
    "stream_rec.offline.evaluate.run",
    "stream_rec.producers.feed.feed",
    "stream_rec.producers.replay.replay",
    "stream_rec.producers.scenarios.apply",
    "stream_rec.producers.simulate.simulator",
    "stream_rec.serve.client",
    "stream_rec.serve.forget",
    "stream_rec.serve.merge",
    "stream_rec.shapes.sampling",
    "stream_rec.sink.sink",
)
"""What most commands import themselves; the page and plots are left to the few that need them."""


STOPS = (signal.SIGINT, signal.SIGTERM)


def load() -> None:
    """Everything that is the same at each start."""
    from stream_rec.consumers.warm_up import warm_up

    for name in IMPORTED:
        importlib.import_module(name)
    warm_up()
    assert threading.active_count() == 1, "a fork would lack the other threads, and wait for them"
    gc.collect()
    gc.freeze()


def serve(listener: socket.socket) -> str:
    """Fork at each order.

    Returns:
        In a fork, once it is as the order wants it: the module to run. Empty when nobody is left to give an order.
    """
    running: dict[int, int] = {}  # where to say its status, by pid
    connections = [listener.accept()[0]]
    ended, woken = socket.socketpair()
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, whose end is ours
    while connections:
        ready, _, _ = select.select([listener, ended, *connections], [], [])
        if ended in ready:
            ended.recv(4096)
            _tell_who_has_ended(running)
        if listener in ready:
            connections.append(listener.accept()[0])
        for connection in [one for one in connections if one in ready]:
            received = wire.receive(connection)
            if received is None:
                connections.remove(connection)
                connection.close()
                continue
            order, files = received
            signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # for a fork they count, from its first moment on
            pid = os.fork()
            if pid == 0:
                for open_here in (listener, ended, woken, *connections):
                    open_here.close()
                for status in running.values():
                    os.close(status)
                _become(order, files)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
                return order.module
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            running[pid] = files.pop()
            for file in files:
                os.close(file)
            connection.sendall(wire.NUMBER.pack(pid))
    return ""


def _tell_who_has_ended(running: dict[int, int]) -> None:
    for pid, told in list(running.items()):
        who, status = os.waitpid(pid, os.WNOHANG)
        if who == pid:
            with contextlib.suppress(BrokenPipeError):  # nobody waits for it
                os.write(told, wire.NUMBER.pack(status))
            os.close(running.pop(pid))


def _become(order: wire.Order, files: list[int]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if order.own_session:
        os.setsid()
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    die_with_parent()
    os.environ.clear()  # noqa: TID251 - what is to come is a process of its own
    os.environ.update(order.environment)  # noqa: TID251
    os.chdir(order.folder)
    sys.path[0] = order.folder
    sys.argv[1:] = order.arguments


def _run(module: str) -> NoReturn:
    """The module, and an end as Python's, but for what it would take apart: that is nearly all of a start's time."""
    code: object = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as exit_:
        code = exit_.code
    except BaseException:  # noqa: BLE001 - as Python does
        sys.excepthook(*sys.exc_info())
    if not isinstance(code, int):
        if code is not None:
            print(code, file=sys.stderr)
        code = 0 if code is None else 1
    threading._shutdown()  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


if __name__ == "__main__":
    load()
    if module := serve(socket.socket(fileno=int(sys.argv[1]))):
        _run(module)
    os._exit(0)

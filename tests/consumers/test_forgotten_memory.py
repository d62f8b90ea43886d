"""Nothing of a forgotten user is in a worker's memory, as far as anybody can still get at it.

The whole image of the process is read, as a debugger would, while it is stopped. What must be free of the id are the
engine's arrays (vocabularies, histories, working memory, the join of impressions: all that is learned, and all that a
snapshot or a kernel could bring back), and every object that Python can still reach. What may be left are bytes of text
that Python, librdkafka and Redis's client have given back to their allocators: nothing refers to them, no program can
say when they are handed out again, and they end with the process. The raw messages of the last batch are held until the
next one comes: so others act after the erasure.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

from stream_rec.bus.topics import ensure_topics
from stream_rec.embedded.worker import WorkerProcess
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import Impression
from stream_rec.serve.forget import Forgetter
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader
from tests.consumers.publishing import clicks, publish, publish_events
from tests.waiting import wait_until

ANN = "ann-whom-nobody-remembers"
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw")


def asked(path: Path, line: str) -> Any:
    """What a worker answers to a line."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.connect(str(path))
        asking.sendall(line.encode() + b"\n")
        return json.loads(b"".join(iter(lambda: asking.recv(1 << 16), b"")))


def places_of(pid: int, wanted: bytes) -> list[int]:
    """Addresses at which the bytes stand in a process's memory; it is stopped meanwhile."""
    found: list[int] = []
    os.kill(pid, signal.SIGSTOP)
    try:
        mappings = _MAPPING.findall(Path(f"/proc/{pid}/maps").read_text())
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for start, end in ((int(a, 16), int(b, 16)) for a, b in mappings):
                memory.seek(start)
                try:
                    image = memory.read(end - start)
                except OSError:  # a mapping of a device
                    continue
                found += [start + match.start() for match in re.finditer(re.escape(wanted), image)]
    finally:
        os.kill(pid, signal.SIGCONT)
    return found


def arrays_with(path: Path, places: list[int]) -> set[str]:
    """The engine's arrays in which these addresses lie."""
    arrays = asked(path, "arrays")
    return {name for name, at, size in arrays for place in places if at <= place < at + size}


def shown_to(user: str) -> Impression:
    return Impression(f"slate of {user}", user, clicks(1)[0].ts, ("i1", "i2"))


def _let_go(path: Path, holders: list[str]) -> bool:
    holders[:] = asked(path, ANN)
    print(holders)
    return not holders


def test_neither_an_array_of_the_engine_nor_a_live_object_holds_who_was_forgotten(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    settings, path = tansu_settings, tmp_path / "memory.socket"
    ensure_topics(settings.bus)
    flags = ["--set", "engine.max_users=1024", "--set", "engine.max_items=1024"]
    flags += ["--set", f"bus.prefix={settings.bus.prefix}", "--set", f"bus.group={settings.bus.group}"]
    flags += ["--set", f"store.prefix={settings.store.prefix}"]
    others = [f"u{n}" for n in range(20)]
    worker = WorkerProcess(settings, flags, ("tests.consumers.memory_process", str(path)))
    reader = Reader(settings.store)
    try:
        publish(settings.bus, "impressions", [(ANN.encode(), encode(shown_to(ANN)))])
        of_ann = [type(event)(ANN, event.item_id, "click", event.ts) for event in clicks(5)]
        publish_events(settings.bus, [*clicks(200, users=20), *of_ann])
        worker.wait_until_ready()
        wait_until(lambda: reader.slate(ANN, "default") is not None, 120, "a slate")
        assert "state.users.arena" in arrays_with(path, places_of(worker.pid, ANN.encode()))
        receipt = Forgetter(settings, reader).forget(ANN, wait_seconds=60)
        assert receipt.is_whole
        publish(settings.bus, "impressions", [(user.encode(), encode(shown_to(user))) for user in others])
        publish_events(settings.bus, clicks(200, users=20, first=200))
        holders: list[str] = []
        wait_until(lambda: _let_go(path, holders), 60, f"{holders} to let go")
        left = places_of(worker.pid, ANN.encode())
        assert arrays_with(path, left) == set()
    finally:
        reader.close()
        worker.stop()

"""What workers say about forgotten users: `forgotten:<user hash>`, a hash with a field for each worker."""

from __future__ import annotations

import msgspec

from stream_rec.settings import StoreSettings
from stream_rec.store.connection import Connection
from stream_rec.store.keys import Keys
from stream_rec.store.overwrite import write_over

KEPT_SECONDS = 30 * 86_400
"""How long receipts are kept: as long as the longest of our topics keeps what they wait for."""


class WorkerReceipt(msgspec.Struct, frozen=True):
    """What one worker has done about a forgotten user.

    Attributes:
        offset: of the decision, on `control`.
        ts: when, seconds since the epoch, the worker's clock.
        was_known: had the engine a row for the user.
        events: of the user's history, wiped with row and factors.
        shown: impressions and interactions that waited for each other, wiped.
        slates: deleted in Redis by this worker.
        snapshots: it sees to the snapshots: those from before are deleted once a new one is written.
    """

    offset: int
    ts: float
    was_known: bool
    events: int
    shown: int
    slates: int
    snapshots: bool


_encode = msgspec.json.Encoder().encode


class ReceiptStore:
    """Writes receipts.

    Args:
        connection: where to.
        settings: of the store.
        worker: a name no other worker has: `worker_name()`.
    """

    def __init__(self, connection: Connection, settings: StoreSettings, *, worker: str) -> None:
        self._connection = connection
        self._keys = Keys(settings.prefix)
        self._worker = worker

    async def write(self, user_hash: str, receipt: WorkerReceipt) -> None:
        """Replace this worker's receipt for a user.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        key = self._keys.forgotten(user_hash)
        commands = [("HSET", key, self._worker, _encode(receipt)), ("EXPIRE", key, KEPT_SECONDS)]
        await write_over(self._connection, key, commands, writes="report")

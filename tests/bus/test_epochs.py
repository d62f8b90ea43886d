"""Which batches may still be learned from."""

from __future__ import annotations

from faust.types import TP

from stream_rec.bus.batch import Fetched
from stream_rec.bus.epochs import Epochs


def test_a_batch_is_current_until_its_partition_advances() -> None:
    epochs = Epochs()
    epochs.advance([TP("events", 0), TP("events", 1)])
    batch = Fetched("events", 0, epochs.of(TP("events", 0)), 0, 10)
    assert epochs.is_current(batch)
    epochs.advance([TP("events", 1)])
    assert epochs.is_current(batch)
    epochs.advance([TP("events", 0)])
    assert not epochs.is_current(batch)


def test_a_partition_that_never_advanced_is_in_epoch_0() -> None:
    assert Epochs().of(TP("items", 7)) == 0
    assert Epochs().is_current(Fetched("items", 7, 0, 0, 10))

"""What is learned and what is asked, event by event, decided from the log alone before anything is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stream_rec.errors import ConfigError
from stream_rec.offline.evaluate.rules import Rules, SeenBy

_GROUP = ("user_id", "session_id")
"""Rows that agree in both are of one session; where no session is given, of one user."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An evaluation of n events in the order in which the engine gets them.

    Attributes:
        log: n rows in the form of `stream_rec.offline.datasets.rows.LOG_SCHEMA`.
        places: int64 [n], where each row stood in the log that was given.
        n_first: rows that are learned before the first query.
        frozen: the rows after those are not learned.
        relevant: bool [n].
        asked: bool [n], never of the first ones.
        unknown: bool [n], frozen only: the item is in no row that is learned, so it counts as a miss.
        continues: bool [n], the event goes on with the session its user was in, so that nothing about the query
            depends on the event.
        items: int32 [n], number of the item.
        names: ids of the items, by number.
        groups: int64 [n], number of the session; None = the log has no sessions.
        exclude_seen, seen_by: see Rules.
    """

    log: pl.DataFrame
    places: NDArray[np.int64]
    n_first: int
    frozen: bool
    relevant: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    unknown: NDArray[np.bool_]
    continues: NDArray[np.bool_]
    items: NDArray[np.int32]
    names: list[str]
    groups: NDArray[np.int64] | None
    exclude_seen: bool
    seen_by: SeenBy

    def __len__(self) -> int:
        """Events."""
        return len(self.log)

    @classmethod
    def of(cls, log: pl.DataFrame, rules: Rules) -> Plan:
        """Lay out an evaluation.

        Args:
            log: good rows in log order.
            rules: the protocol.

        Raises:
            ConfigError: there is nothing to ask, or no split where the protocol needs one.
        """
        log = log.with_row_index("place")
        relevant = rules.relevant.among(log) if rules.relevant else pl.repeat(True, len(log), eager=True)
        if rules.learn_from == "relevant":
            log, relevant = log.filter(relevant), relevant.filter(relevant)
        relevant &= rules.interest(log)
        log = log.with_columns(relevant.alias("relevant"))
        n_first = 0
        if rules.protocol != "prequential":
            log = log.sort(pl.col("split").eq_missing("test"), maintain_order=True)
            n_first = _n_train(log)
        asked = log.select(_asked(rules)).to_series().to_numpy() & (np.arange(len(log)) >= n_first)
        if not asked.any():
            raise ConfigError(
                f"nothing to ask in {len(log):,} events under the {rules.protocol} protocol",
                fix="take more events, less --min-context or --warmup, or another --relevant",
            )
        names = log["item_id"].unique(maintain_order=True)
        items = log["item_id"].cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int32)
        frozen = rules.protocol == "frozen"
        unknown = ~np.isin(items, items[:n_first]) if frozen else np.zeros(len(log), np.bool_)
        return cls(
            log=log.drop("relevant", "place"),
            places=log["place"].to_numpy().astype(np.int64),
            n_first=n_first,
            frozen=frozen,
            relevant=log["relevant"].to_numpy(),
            asked=asked,
            unknown=unknown,
            continues=log.select(_continues(rules.session_gap_seconds)).to_series().to_numpy(),
            items=items,
            names=names.to_list(),
            groups=_groups(log),
            exclude_seen=rules.exclude_seen,
            seen_by=rules.seen_by,
        )


def _n_train(log: pl.DataFrame) -> int:
    n_test = int((log["split"] == "test").sum())
    if not n_test or n_test == len(log):
        raise ConfigError(
            "the log has no column `split` with both `train` and `test`",
            fix="add one, take more events, or use --protocol prequential",
        )
    return len(log) - n_test


def _asked(rules: Rules) -> Any:
    """Which rows of a log in order are asked for, whatever is learned first."""
    relevant = pl.col("relevant")
    context = relevant.cum_sum().over(_GROUP) - relevant.cast(pl.UInt32)
    warm = relevant.cum_sum() > rules.warmup * relevant.sum() + 1 - 1e-9
    asked = relevant & warm & (context >= rules.min_context)
    if rules.exclude_seen:
        asked &= relevant.cum_sum().over("user_id", "item_id") == 1
    return asked


def _continues(gap_seconds: float) -> Any:
    """By the producer's sessions where there are two, else by the pause, as kernels.histories.starts_session."""
    session, ts = pl.col("session_id"), pl.col("ts")
    first = pl.int_range(pl.len()).over("user_id") == 0
    before = session.shift(1).forward_fill().over("user_id")
    pause = ts - ts.cum_max().shift(1).over("user_id")
    by_pause = (session.is_null() | before.is_null()) & (pause <= gap_seconds)
    return ~first & (by_pause | (session == before).fill_null(False))


def _groups(log: pl.DataFrame) -> NDArray[np.int64] | None:
    if log["session_id"].null_count() == len(log):
        return None
    first = log.with_row_index("row").select(pl.col("row").first().over(_GROUP))
    numbers: NDArray[np.int64] = first.to_series().to_numpy().astype(np.int64)
    return numbers

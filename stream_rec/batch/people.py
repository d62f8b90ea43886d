"""Who users are by the decisions on `control`, of which the sink's files know nothing: forgotten, or merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stream_rec.batch.spark import part
from stream_rec.bus.decisions import last_of_each, read_decisions
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.decisions import ERASURE, MERGE, Merge, hash_name
from stream_rec.settings import Settings


@dataclass(frozen=True, slots=True)
class People:
    """What is decided about users.

    Attributes:
        forgotten: names (hashes) of users who are forgotten, visitors who became users among them.
        became: by the name of a visitor, the user's id.
        upto: offset on `control` of the last decision that is known; -1 = none.
    """

    forgotten: frozenset[str]
    became: Mapping[str, str]
    upto: int

    @classmethod
    def read(cls, settings: Settings) -> People:
        """As decided by now.

        Raises:
            ConfigError, Unavailable: as `read_decisions`.
        """
        decisions = read_decisions(settings.bus, settings.ingest)
        last = last_of_each(decisions)
        merges = {name: each.body for (kind, name), each in last.items() if kind == MERGE}
        erased = {name for kind, name in last if kind == ERASURE}
        became = {
            name: body.user_id
            for name, body in merges.items()
            if isinstance(body, Merge) and name not in erased
        }
        return cls(
            frozenset(erased | merges.keys()), became, max((each.offset for each in decisions), default=-1)
        )

    def among(self, user_ids: Sequence[str]) -> list[str]:
        """Those of these users who are forgotten."""
        return [user for user, name in _named(user_ids) if name in self.forgotten]

    def applied(self, events: Any) -> Any:
        """The events without those of forgotten users, and with those of visitors as the users' they became.

        A user who was forgotten and came back is left out, too: the stream knows what came since.

        Args:
            events: DataFrame with a column `user_id`.
        """
        if not self.forgotten:
            return events
        functions, spark = part("sql.functions"), events.sparkSession
        ids = [row[0] for row in events.select("user_id").distinct().collect()]
        became = {user: self.became[name] for user, name in _named(ids) if name in self.became}
        gone = set(self.among([*ids, *became.values()]))
        became = {visitor: user for visitor, user in became.items() if user not in gone}
        gone -= became.keys()
        if gone:
            left_out = spark.createDataFrame([(user,) for user in gone], "user_id string")
            events = events.join(functions.broadcast(left_out), "user_id", "left_anti")
        if became:
            renamed = spark.createDataFrame(list(became.items()), "user_id string, became string")
            events = events.join(functions.broadcast(renamed), "user_id", "left")
            events = events.withColumn("user_id", functions.coalesce("became", "user_id")).drop("became")
        return events


def _named(user_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Ids and the names that decisions have for them."""
    if not user_ids:
        return []
    return list(zip(user_ids, map(hash_name, hash_ids(IdColumn.of(user_ids)).tolist()), strict=True))

"""Something has changed for good: the body of a record `alarm/<metric>` on the topic `control`.

What is done about it stands in the record, as the settings of the worker that found it said: so all workers do the
same, and one that learns the log later, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from stream_rec.schemas.faults import BadBody, Fault, between, of_type
from stream_rec.schemas.scenario import Rule
from stream_rec.schemas.validation import TS_END

RESETTABLE = ("transitions", "neighbours", "item_neighbours")
"""Sources that can begin anew: nothing but their own candidates hangs on what they have counted."""


class BadAlarm(BadBody):
    """An alarm with mistakes."""


class Alarm(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What has moved, since when, and what every worker does about it.

    Attributes:
        metric: what has moved.
        direction: which way.
        since: about when that began, by the broker's time, seconds since the epoch.
        level: of the metric since then.
        normal: of the metric before.
        until: the alarm is taken back then, seconds since the epoch; exploration ends with it.
        learning_rate: rankers take larger steps for a while.
        exploration: least share of each slate that chance fills while the alarm is in force; 0 = as scenarios say.
        reset: sources whose counts begin anew.
        popular: while the alarm is in force, scenarios whose logic is `personal` show what is popular.
    """

    metric: str
    direction: Literal["drop", "rise"]
    since: float
    level: float
    normal: float
    until: float
    learning_rate: bool = False
    exploration: float = 0.0
    reset: tuple[Literal["transitions", "neighbours", "item_neighbours"], ...] = ()
    popular: bool = False

    @property
    def teaches(self) -> bool:
        """Is something of it done to what is learned?"""
        return self.learning_rate or bool(self.reset)


def alarm_of(body: Mapping[str, Any]) -> Alarm:
    """An alarm from parsed JSON.

    Raises:
        BadAlarm: with every mistake of its values, or the first of its types.
    """
    try:
        alarm = msgspec.convert(body, Alarm)
    except msgspec.ValidationError as error:
        raise BadAlarm([of_type(error, lambda _: Alarm)]) from None
    faults: list[Fault] = []
    for name in ("since", "until"):
        faults.extend(between((name,), getattr(alarm, name), 0, TS_END))
    faults.extend(between(("exploration",), alarm.exploration, 0, 1))
    if faults:
        raise BadAlarm(faults)
    return alarm

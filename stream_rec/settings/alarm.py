"""What is done when something has changed for good."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from stream_rec.settings.branch import TEN_YEARS, Branch

Metric = Literal["served_hit_rate", "fresh_hit_rate", "ctr", "event_mix", "unknown_items", "dead_letters"]


def _http(url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise ValueError("give an address that begins with http:// or https://")
    return url


class AlarmSettings(Branch):
    """What an alarm says is to be done. It stands in its record, so all workers do the same (docs/alarms.md)."""

    raised_by: tuple[Metric, ...] = Field(
        get_args(Metric), description="metrics whose lasting changes are alarms"
    )
    acts_on: tuple[Metric, ...] = Field(
        ("served_hit_rate",), description="metrics whose alarms do what follows; others are only told"
    )
    learning_rate: bool = Field(True, description="the rankers take larger steps for a while")
    exploration: float = Field(
        0.0,
        ge=0,
        le=1,
        description="while it is in force: least share of each slate that chance fills; 0 = as scenarios say",
    )
    reset: tuple[Literal["transitions", "neighbours", "item_neighbours"], ...] = Field(
        (), description="sources whose counts begin anew"
    )
    lasts_seconds: float = Field(
        21_600.0, ge=1, le=TEN_YEARS, description="an alarm is in force for so long, then it is taken back"
    )
    floor: float = Field(
        0.0,
        ge=0,
        le=1,
        description="while the fresh hit-rate is below it, personal slates show what is popular; 0 = never",
    )
    floor_minutes: int = Field(
        10, ge=1, le=240, description="so long it must be below alarm.floor, and above it again"
    )
    webhook_url: Annotated[str, AfterValidator(_http)] = Field(
        "", description="each alarm is posted there as JSON; empty = nowhere (secret)"
    )
    webhook_timeout_seconds: float = Field(
        5.0, ge=0.1, le=60, description="for an answer; an alarm is posted three times at most"
    )

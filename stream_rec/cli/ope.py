"""`ope`: what another scenario would have earned, from the log of one in which chance has a say."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings
from stream_rec.cli.text import Column, say, table, width

if TYPE_CHECKING:
    from stream_rec.trials.off_policy.judge import Judged
    from stream_rec.trials.off_policy.values import Value

_COLUMNS = (
    Column("rewards by"),
    Column("estimate"),
    Column("value", is_number=True),
    Column("from", is_number=True),
    Column("to", is_number=True),
)


def ope(
    policy: Annotated[str, typer.Option("--policy", metavar="SCENARIO", help="that is judged")],
    scenario: Annotated[str, typer.Option(help="that was shown, and explores")] = "default",
    begin: Annotated[
        str, typer.Option("--from", metavar="TIME", help="ISO 8601, or seconds; slates shown since")
    ] = "",
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="as --from; until then")] = "",
    events: Annotated[
        str, typer.Option(metavar="TYPES", help="that count, with commas; by default any")
    ] = "",
    places: Annotated[int, typer.Option(min=1, max=200, help="of each slate, from the top")] = 10,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """What a scenario would have earned in place of the one that was shown (docs/trials.md)."""
    from stream_rec.cli.time_travel import parse_ms
    from stream_rec.trials.off_policy.judge import judge
    from stream_rec.trials.off_policy.log import Question, read_log

    settings = read_settings(config, set_)
    need_broker(settings)
    since, until = parse_ms(begin) / 1000 if begin else 0.0, parse_ms(end) / 1000 if end else math.inf
    types = tuple(each for each in events.split(",") if each)
    log = read_log(settings, Question(scenario, policy, since, until, types, places))
    judged = judge(log.shown, places)
    if as_json:
        print(json.dumps(_plain(judged, log.without_policy), indent=2))
        return
    rows = [_row("slate", each) for each in judged.by_slate] + [
        _row("place", each) for each in judged.by_place
    ]
    print(*table(_COLUMNS, rows, width()), sep="\n")
    counted = ", ".join(f"{n:.0f} by {what}" for what, n in judged.effective.items())
    say(
        f"{judged.slates} slates shown; effective: {counted}; {log.without_policy} without a slate of {policy} before"
    )
    for what, why in judged.refused.items():
        say(f"no estimate by {what}: {why}", indent="  ")


def _row(what: str, of: Value) -> list[str]:
    return [what, of.estimator, f"{of.value:.5f}", f"{of.low:.5f}", f"{of.high:.5f}"]


def _plain(judged: Judged, without_policy: int) -> dict[str, object]:
    return {
        "by_slate": {each.estimator: [each.value, each.low, each.high] for each in judged.by_slate},
        "by_place": {each.estimator: [each.value, each.low, each.high] for each in judged.by_place},
        "refused": judged.refused,
        "slates": judged.slates,
        "effective": judged.effective,
        "without_policy": without_policy,
    }

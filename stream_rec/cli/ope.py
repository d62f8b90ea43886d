"""`ope`: what another scenario would have earned, from the log of one in which chance has a say."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings
from stream_rec.cli.text import Column, say, table, width

if TYPE_CHECKING:
    from stream_rec.settings import Settings
    from stream_rec.trials.off_policy.judge import Judged
    from stream_rec.trials.off_policy.log import Question
    from stream_rec.trials.off_policy.values import Value

_COLUMNS = (
    Column("rewards by"),
    Column("estimate"),
    Column("value", is_number=True),
    Column("from", is_number=True),
    Column("to", is_number=True),
    Column("bias", is_number=True),
)


def ope(
    policy: Annotated[
        str,
        typer.Option("--policy", metavar="POLICY", help="that is judged: SCENARIO or EXPERIMENT/ARM"),
    ],
    scenario: Annotated[str, typer.Option(help="that was shown, and explores")] = "default",
    begin: Annotated[
        str, typer.Option("--from", metavar="TIME", help="ISO 8601, or seconds; slates shown since")
    ] = "",
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="as --from; until then")] = "",
    events: Annotated[
        str, typer.Option(metavar="TYPES", help="that count, with commas; by default any")
    ] = "",
    places: Annotated[int, typer.Option(min=1, max=200, help="of each slate, from the top")] = 10,
    clip: Annotated[
        float, typer.Option(min=1, metavar="WEIGHT", help="cut larger weights to this; by default none")
    ] = math.inf,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """What a scenario or an arm would have earned in place of what was shown (docs/trials.md)."""
    from stream_rec.cli.time_travel import parse_ms
    from stream_rec.trials.off_policy.log import Question

    settings = read_settings(config, set_)
    need_broker(settings)
    since, until = parse_ms(begin) / 1000 if begin else 0.0, parse_ms(end) / 1000 if end else math.inf
    types = tuple(each for each in events.split(",") if each)
    question = Question(scenario, policy, since, until, types, places)
    judged, left_out, why = (_of_arm if "/" in policy else _of_scenario)(settings, question, clip)
    if as_json:
        print(json.dumps(_plain(judged, left_out, clip), indent=2))
        return
    rows = [_row("slate", each) for each in judged.by_slate] + [
        _row("place", each) for each in judged.by_place
    ]
    is_clipped = math.isfinite(clip)
    columns = _COLUMNS if is_clipped else _COLUMNS[:-1]
    print(*table(columns, [row[: len(columns)] for row in rows], width()), sep="\n")
    say(f"{judged.slates} slates shown; {left_out} left out: {why}")
    for what, of in judged.weights.items():
        cut = f"; {of.clipped:.2%} cut to {clip:g}, {of.lost:.1%} of all weight" if is_clipped else ""
        say(
            f"by {what}: {of.effective:.0f} effective; largest weight {of.largest:.1f}{cut}",
            indent="  ",
        )
    for what, reason in judged.refused.items():
        say(f"no estimate by {what}: {reason}", indent="  ")


def _of_scenario(settings: Settings, question: Question, clip: float) -> tuple[Judged, int, str]:
    from stream_rec.trials.off_policy.judge import judge
    from stream_rec.trials.off_policy.log import read_log

    log = read_log(settings, question)
    judged = judge(log.shown, question.places, clip)
    return judged, log.without_policy, f"no slate of {question.policy} before"


def _of_arm(settings: Settings, question: Question, clip: float) -> tuple[Judged, int, str]:
    from stream_rec.producers.experiments.experiments import Experiments
    from stream_rec.trials.off_policy.arms import OfArm, judge_arm, read_arm_log

    name, _, arm = question.policy.partition("/")
    policy = OfArm(name, Experiments(settings).one(name).experiment, arm)
    log = read_arm_log(settings, question, policy)
    return judge_arm(log.shown, policy, clip), log.of_none, f"of no arm of {name}"


def _row(what: str, of: Value) -> list[str]:
    return [what, of.estimator, f"{of.value:.5f}", f"{of.low:.5f}", f"{of.high:.5f}", f"{of.bias:+.5f}"]


def _plain(judged: Judged, left_out: int, clip: float) -> dict[str, object]:
    return {
        "by_slate": {each.estimator: [each.value, each.low, each.high] for each in judged.by_slate},
        "by_place": {each.estimator: [each.value, each.low, each.high] for each in judged.by_place},
        "refused": judged.refused,
        "slates": judged.slates,
        "left_out": left_out,
        "clip": clip if math.isfinite(clip) else None,
        "bias": {
            f"by_{what}": {each.estimator: each.bias for each in rows}
            for what, rows in (("slate", judged.by_slate), ("place", judged.by_place))
        },
        "weights": {what: of._asdict() for what, of in judged.weights.items()},
    }

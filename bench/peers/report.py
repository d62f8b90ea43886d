"""The comparison for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from bench.peers.protocol import K
from stream_rec.offline.evaluate.ranks import figures

QUALITY = (f"hr@{K}", f"mrr@{K}", f"ndcg@{K}")
COSTS = ("update_us", "recommend_us_p50", "recommend_us_p99", "seconds")


def flat(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of all peers as `PEER_FIGURE`: what a peer has none of is not there, `PEER_status` always is."""
    out: dict[str, Any] = {}
    for name, result in results.items():
        out[f"{name}_status"] = result["status"]
        if result.get("ranks") is not None:
            quality = figures(np.array(result["ranks"], np.int32), [K])
            out |= {f"{name}_{figure}": quality[figure] for figure in QUALITY}
        for cost in COSTS:
            if result.get(cost) is not None:
                out[f"{name}_{cost}"] = result[cost]
        if "settings" in result:
            out[f"{name}_settings"] = json.dumps(result["settings"])
            out[f"{name}_tried"] = f"{result['tried']} of {result['grid']}"
    return out


def report(title: str, names: list[str], figures_of: Mapping[str, Any]) -> RenderableType:
    """A table of quality (%) and costs, a table of the settings that won, and what did not run."""
    table = Table("peer", title=title, title_justify="left")
    for column in ("HR@20", "MRR@20", "nDCG@20", "update us", "ask us p50", "ask us p99", "seconds"):
        table.add_column(column, justify="right")
    settings = Table("peer", "tried", "chosen on the first 20 %")
    for name in names:
        row = [_shown(figures_of.get(f"{name}_{figure}"), 100.0, 2) for figure in QUALITY]
        row += [_shown(figures_of.get(f"{name}_{cost}"), 1.0, 1) for cost in COSTS]
        table.add_row(name, *row)
        if f"{name}_tried" in figures_of:
            settings.add_row(name, figures_of[f"{name}_tried"], figures_of[f"{name}_settings"])
    statuses = {name: figures_of[f"{name}_status"] for name in names}
    failed = [f"{name}: {status}" for name, status in statuses.items() if status != "ok"]
    return Group(table, settings, *failed)


def _shown(value: float | None, times: float, digits: int) -> str:
    return "-" if value is None else f"{value * times:,.{digits}f}"

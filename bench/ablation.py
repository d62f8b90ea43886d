"""What each part of the model is worth: the same evaluation with one part left out at a time.

    python -m bench.ablation --data diginetica --protocol frozen [--events N] [--k 20] [--json FILE]

Left out are every source (it goes on learning and is not heard), the ranker's hidden layer, and the ranker's learning
altogether (its prior ranks). Data, protocols and figures are those of `stream-rec evaluate`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stream_rec.engine.warm import warm_up
from stream_rec.offline.datasets.first_events import FirstEvents
from stream_rec.offline.datasets.named import load_columns, open_source
from stream_rec.offline.evaluate.evaluation import evaluate
from stream_rec.offline.evaluate.rules import Rules
from stream_rec.settings import EngineSettings, load
from stream_rec.sources import ranker

WHOLE = "nothing"
SHOWN = ("hr", "mrr", "index_only_hits")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="as for `stream-rec evaluate`")
    parser.add_argument("--protocol", choices=("frozen", "streaming", "prequential"), default="prequential")
    parser.add_argument("--events", type=int, help="only the first so many of the log")
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    return parser.parse_args()


def variants(engine: EngineSettings) -> dict[str, tuple[EngineSettings, int]]:
    """Name of what is left out -> settings, hidden units."""
    found = {WHOLE: (engine, ranker.N_HIDDEN)}
    for source in engine.sources:
        others = tuple(other for other in engine.sources if other != source)
        found[source] = (engine.model_copy(update={"sources": others}), ranker.N_HIDDEN)
    found["the hidden layer"] = (engine, 0)
    found["the ranker's learning"] = (engine.model_copy(update={"train_sample": 0.0}), ranker.N_HIDDEN)
    return found


def measured(
    run: Callable[[EngineSettings], dict[str, Any]], engine: EngineSettings, hidden: int, k: int
) -> dict[str, float]:
    """Hit-rate and MRR at k, and the share of the hits that only the vector index found; in %."""
    before, ranker.N_HIDDEN = ranker.N_HIDDEN, hidden
    try:
        flat = run(engine)
    finally:
        ranker.N_HIDDEN = before
    return {name: 100.0 * flat[f"{name}@{k}"] for name in SHOWN}


def main() -> None:
    arguments = parse()
    settings, _ = load()
    if arguments.events is None:
        log = load_columns(arguments.data, settings.data, None)
    else:
        log = FirstEvents.of(open_source(arguments.data, settings.data, None), arguments.events).frame
    rules = Rules(arguments.protocol, session_gap_seconds=settings.engine.session_gap_seconds)
    warm_up()

    def run(engine: EngineSettings) -> dict[str, Any]:
        return evaluate(log, rules, engine, k=arguments.k, progress=lambda _done, _total: None).flat()

    figures: dict[str, Any] = {"data": arguments.data, "protocol": arguments.protocol, "k": arguments.k}
    print(f"{'left out':<24}{'HR':>8}{'MRR':>8}{'by index alone':>16}   (at {arguments.k}, %)", flush=True)
    for name, (engine, hidden) in variants(settings.engine).items():
        found = measured(run, engine, hidden, arguments.k)
        figures |= {f"{name}_{key}": value for key, value in found.items()}
        hr, mrr, index = found.values()
        print(f"{name:<24}{hr:8.2f}{mrr:8.2f}{index:16.3f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

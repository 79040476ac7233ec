"""`make drill`: Loa under a seeded plan of faults, its ledger compared with the carrier's count."""

from __future__ import annotations

import asyncio
import json
import signal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tests.drill.plan import DrillOrder
from tests.drill.run_drill import DrillOptions
from tests.drill.run_drill import drill as play
from tests.drill.verdict import document, tell


class DrillEngine(StrEnum):
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class Length(StrEnum):
    """Duration of faults; the long plan has an outage of five minutes."""

    SHORT = "short"
    LONG = "long"


def drill(
    seed: Annotated[int, typer.Option(help="The same seed: the same faults at the same points.")] = 7,
    messages: Annotated[int, typer.Option(min=100, max=9_000_000)] = 20_000,
    faults: Annotated[int, typer.Option(min=3, max=10_000)] = 30,
    engine: Annotated[DrillEngine, typer.Option()] = DrillEngine.SQLITE,
    plan: Annotated[Length, typer.Option(help="How long the faults last.")] = Length.SHORT,
    rate: Annotated[
        float, typer.Option(min=0, help="Messages a second of the link; 0: so that faults meet traffic.")
    ] = 0.0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The simulated carrier's; 0: any.")] = 0,
    out: Annotated[Path, typer.Option(help="Where the figures are left.")] = Path("build/drill.json"),
    as_json: Annotated[bool, typer.Option("--json", help="The last line is one JSON object.")] = False,
) -> None:
    """Kill, cut and flood Loa by a plan, on this machine alone, and count copies and losses at the carrier.

    Uses real processes, a simulated carrier and a database of its own (SQLite in a folder, or a PostgreSQL
    server that the drill starts). Exit status 1 on any copy, any loss or any unknown that no fault explains.
    """
    order = DrillOrder(seed, messages, faults, engine.value, plan.value)
    # SIGTERM ends it in order too: a shell's background jobs ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    found = asyncio.run(play(DrillOptions(order, rate, port, out.parent), typer.echo))
    for line in tell(order, found):
        typer.echo(line)
    figures = json.dumps(document(order, found), ensure_ascii=False)
    out.write_text(figures + "\n", encoding="utf-8")
    if as_json:
        typer.echo(figures)
    if found.objections:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(drill)

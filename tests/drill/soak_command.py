"""`make soak`: Loa under load for minutes or hours, watching memory and open files of its processes."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tests.drill.soak import SoakPlan
from tests.drill.soak import soak as work


class SoakEngine(StrEnum):
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


def soak(
    minutes: Annotated[float, typer.Option(min=0.1, max=1440, help="How long messages are sent.")] = 5.0,
    rate: Annotated[float, typer.Option(min=10, max=4000, help="Messages a second of the link.")] = 1000.0,
    engine: Annotated[SoakEngine, typer.Option()] = SoakEngine.SQLITE,
    out: Annotated[Path, typer.Option(help="Where the figures are left.")] = Path("build/soak.json"),
) -> None:
    """Send campaign after campaign to a simulated carrier on this machine, and watch Loa's processes.

    Exit status 1 when memory or open files of a process rise after the warm-up, or a number got no message or
    two.
    """
    # SIGTERM ends it in order too: a shell's background jobs ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    found = asyncio.run(work(SoakPlan(minutes, rate, engine.value, out.parent), typer.echo))
    out.write_text(json.dumps(asdict(found), ensure_ascii=False) + "\n", encoding="utf-8")
    typer.echo(f"{'process':<12}{'MB':>8}{'grown':>8}{'files':>8}{'grown':>8}{'samples':>9}")
    for each in found.processes:
        memory = f"{each.memory_mb:>8.1f}{each.memory_grown_mb:>8.1f}"
        typer.echo(f"{each.name:<12}{memory}{each.files:>8.0f}{each.files_grown:>8.1f}{each.samples:>9,}")
    for sentence in found.objections:
        typer.echo(f"FAILED: {sentence}")
    if found.objections:
        raise typer.Exit(1)
    typer.echo(f"Passed: {found.messages:,} messages in {found.seconds:,.0f} s, each once; nothing grows.")


if __name__ == "__main__":
    typer.run(soak)

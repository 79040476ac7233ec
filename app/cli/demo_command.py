"""`loa demo`: the whole of Loa in one run, over simulated carriers."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.core import gc_tuning
from app.devtools.demo.progress_board import ProgressBoard
from app.devtools.demo.run_demo import DemoOptions, run_demo


class Over(StrEnum):
    """Interface of the demo's carriers."""

    SMPP = "smpp"
    HTTP = "http"


def demo(
    subscribers: Annotated[int, typer.Option(min=20, help="The number of different valid numbers.")] = 30_000,
    folder: Annotated[
        Path, typer.Option(help=("Folder for its files; the folder of an earlier demo is emptied."))
    ] = Path("build/demo"),
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers and outcomes.")] = 1,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep/--tidy", help=("Keep the sample and the SQLite ledger as well as reports and log.")
        ),
    ] = True,
    carriers: Annotated[
        Over, typer.Option(help="smpp: three message centres; http: the carriers' own interfaces.")
    ] = Over.SMPP,
    as_json: Annotated[bool, typer.Option("--json", help="The last line is one JSON object.")] = False,
) -> None:
    """Send one campaign through simulated carriers, from file to verified report.

    Nothing leaves this machine. Uses SQLite in the folder, or the empty PostgreSQL database that
    LOA_DATABASE_URL names. Exit status 1 when any figure differs or any number was sent twice.
    """
    gc_tuning.exempt_loaded()
    with _terminable():
        found = run_demo(DemoOptions(subscribers, folder, seed, keep, carriers.value), ProgressBoard())
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    if not found["verified"]:
        raise typer.Exit(1)


@contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM end the demo in order, like Ctrl-C."""
    # Background jobs of a shell ignore SIGINT, on which asyncio's orderly end depends.
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    terminate = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, terminate)
        signal.signal(signal.SIGINT, interrupt)

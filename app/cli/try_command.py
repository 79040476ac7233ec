"""`loa try`: look around in Loa with a browser, over simulated carriers."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from app.cli.serve_command import MAINS
from app.core import gc_tuning
from app.devtools.try_loa import TryOptions, try_loa


def try_(
    folder: Annotated[Path, typer.Option(help="Folder for its files; an earlier one is emptied.")] = Path(
        "build/try"
    ),
    host: Annotated[
        str, typer.Option(envvar="LOA_HOST", help="The address that the pages listen on.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port of the pages.", min=1, max=65535)] = 8000,
    subscribers: Annotated[int, typer.Option(min=200, help="The number of sample numbers.")] = 20_000,
    browser: Annotated[bool, typer.Option(help="Open the pages in a browser, on a desktop.")] = True,
) -> None:
    """Explore Loa with sample campaigns of a province and four users to sign in as.

    Nothing leaves this machine. Runs until Ctrl-C; the next run starts from scratch.
    """
    gc_tuning.raise_descriptors()
    opens = browser and (sys.platform == "darwin" or bool(os.environ.get("DISPLAY")))

    def ready(address: str) -> None:
        typer.echo(f"\n{address}\n\nCtrl-C ends it.")
        if opens:
            webbrowser.open(address)

    try_loa(TryOptions(folder, host, port, subscribers), MAINS["up"], typer.echo, ready)

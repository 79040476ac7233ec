"""`loa doctor`: checks the installation and says what to do."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from pydantic_core import to_json

from app.cli.output import Json, alarm, shown
from app.core import config
from app.diagnostics.doctor import examine


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Do not check the links to carriers.")] = False,
    as_json: Json = False,
) -> None:
    """Check settings, disk, database, schema, clocks, audit and links. Sends nothing.

    Exit status 1 if something is wrong.
    """
    settings = config.load()
    found = asyncio.run(examine(settings, *(({}, {}) if offline else (settings.links, settings.endpoints))))
    if as_json:
        typer.echo(to_json([each._asdict() for each in found], indent=2).decode())
    for each in () if as_json else found:
        level = "note" if each.note else "good" if each.good else alarm("BAD ")
        typer.echo(f"{level}  {shown(f'{each.about}: {each.what}')}")
    if not all(each.good for each in found):
        raise typer.Exit(1)

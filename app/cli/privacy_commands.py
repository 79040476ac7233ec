"""`loa privacy`: what is held on one person."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli import common
from app.cli.common import open_db
from app.cli.current_user import decider
from app.cli.output import Json, listing, say
from app.cli.remote import at_server
from app.privacy.person_data import PersonData, person_data, whole_paper

app = typer.Typer(no_args_is_help=True, help="What is held on one person.")


@app.callback()
def privacy() -> None:
    """What is held on one person."""


@app.command()
def person(
    number: Annotated[
        str | None, typer.Argument(help="In any usual spelling; from stdin, when not given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the paper for who asks there.")] = None,
    as_json: Json = False,
) -> None:
    """Show where this exact number is held, since when, why, and who has looked for it. Audited."""
    found = _found((number if number is not None else sys.stdin.readline()).strip())
    if out is not None:
        out.write_text(whole_paper(found), encoding="utf-8")
    if as_json:
        say(found, as_json)
        return
    listing(found.held, ("kind", "name", "carrier", "n", "since", "area", "by", "why"), as_json)
    for each in found.seen or ():
        typer.echo(
            f"{each.who} looked for {found.phone} at {each.at.isoformat(sep=' ', timespec='minutes')}."
        )
    if out is not None:
        typer.echo(f"Wrote {out}.")


def _found(number: str) -> PersonData:
    if common.server is not None:
        there: PersonData = at_server(lambda api: api.read_person_data(phone=number))
        return there
    with open_db() as (db, _):
        return person_data(db, number, db.read(decider, "read_person_data"))

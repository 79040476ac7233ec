"""`loa privacy`: what is held on one person, and what persons ask about their own data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.files import replace_lines
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Json, Number, day, listing, say, shown
from app.core.errors import Invalid
from app.privacy import operations
from app.privacy.person_data import whole_paper
from app.privacy.person_requests import RequestKind, RequestOutcome

app = typer.Typer(no_args_is_help=True, help="Data held about one person, and their requests.")


@app.callback()
def privacy() -> None:
    """Data held about one person, and their requests."""


@app.command()
def person(
    number: Annotated[
        str | None, typer.Argument(help="In any usual form; default: read from standard input.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file for the document for the person.")] = None,
    as_json: Json = False,
) -> None:
    """Show where this exact number is stored, since when and why, and who has looked it up. Audited."""
    phone = (number if number is not None else sys.stdin.readline()).strip()
    found = carried_out(operations.read_person_data, {}, phone=phone)
    if out is not None:
        replace_lines(out, [whole_paper(found)])
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


@app.command("request")
def request_(
    kind: Annotated[RequestKind, typer.Option(help="What the person asks for.")],
    came: Annotated[str, typer.Option(help="The day on which it arrived, for example 2026-11-27.")],
    reference: Annotated[
        str, typer.Option(help=("How it arrived, for example number and date of the letter."))
    ],
    number: Annotated[
        str | None, typer.Argument(help="In any usual form; default: read from standard input.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Record a person's request about their own data, with the day by which it must be answered."""
    phone = (number if number is not None else sys.stdin.readline()).strip()
    said: dict[str, Any] = {
        "phone": phone,
        "kind": kind,
        "came_on": day("came", came),
        "reference": reference,
    }
    say(carried_out(operations.record_person_request, {}, **said), as_json)


@app.command()
def answer(
    request_id: Number,
    why: Annotated[str, typer.Option(help="The answer to the person.")],
    refuse: Annotated[
        bool, typer.Option("--refuse", help="Refuse the request; --why gives the reason.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Carry out or refuse a request: erase, add the number to every list, or state what is held.
    Audited.

    Whoever recorded a request for erasure cannot carry it out.
    """
    outcome = RequestOutcome.REFUSED if refuse else RequestOutcome.DONE
    ids = {"request_id": request_id}
    say(carried_out(operations.answer_person_request, ids, outcome=outcome, why=why), as_json)


@app.command()
def paper(
    request_id: Number,
    out: Annotated[Path | None, typer.Option(help="The file to write.")] = None,
) -> None:
    """Print the document for the person, with its digest and seal, or write it to a file."""
    found = carried_out(operations.get_person_request, {"request_id": request_id})
    if not found.paper:
        raise Invalid(
            "Request {request_id} has not been answered. Run `loa privacy answer` to answer it.",
            request_id=request_id,
        )
    if not found.intact:
        raise Invalid(
            "The document of request {request_id} was altered. Compare the database with a backup.",
            request_id=request_id,
        )
    seal = found.seal or "không có khóa"
    whole = f"{found.paper}SHA-256: {found.sha256}\nDấu xác nhận: {seal}\n"
    if out is None:
        typer.echo(shown(whole), nl=False)
        return
    replace_lines(out, [whole])
    typer.echo(f"Wrote {out}.")


add_operations(app, "privacy", operations)

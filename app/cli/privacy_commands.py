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
from app.privacy import operations as operations  # its operations
from app.privacy.person_data import whole_paper
from app.privacy.person_requests import RequestKind, RequestOutcome

app = typer.Typer(no_args_is_help=True, help="What is held on one person, and their requests.")


@app.callback()
def privacy() -> None:
    """What is held on one person, and their requests."""


@app.command()
def person(
    number: Annotated[
        str | None, typer.Argument(help="In any usual spelling; from stdin, when not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the document for the person who asked there.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show where this exact number is held, since when, why, and who has looked for it. Audited."""
    phone = (number if number is not None else sys.stdin.readline()).strip()
    found = carried_out("read_person_data", {}, phone=phone)
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
    came: Annotated[str, typer.Option(help="The day on which it came, as 2026-11-27.")],
    reference: Annotated[str, typer.Option(help="How it came, such as number and day of the letter.")],
    number: Annotated[
        str | None, typer.Argument(help="In any usual spelling; from stdin, when not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Record what the holder of a number asks about their own data, with the day by which to answer."""
    phone = (number if number is not None else sys.stdin.readline()).strip()
    said: dict[str, Any] = {
        "phone": phone,
        "kind": kind,
        "came_on": day("came", came),
        "reference": reference,
    }
    say(carried_out("record_person_request", {}, **said), as_json)


@app.command()
def answer(
    request_id: Number,
    why: Annotated[str, typer.Option(help="In words for who asked.")],
    refuse: Annotated[bool, typer.Option("--refuse", help="Do nothing, and say why not.")] = False,
    as_json: Json = False,
) -> None:
    """Carry a request out, or refuse it: erase, list the number everywhere, or say what is held. Audited.

    Who has recorded a request to erase does not carry it out.
    """
    outcome = RequestOutcome.REFUSED if refuse else RequestOutcome.DONE
    ids = {"request_id": request_id}
    say(carried_out("answer_person_request", ids, outcome=outcome, why=why), as_json)


@app.command()
def paper(
    request_id: Number,
    out: Annotated[Path | None, typer.Option(help="Write it there.")] = None,
) -> None:
    """Print the paper for who asked, with its digest and seal, or write it to a file."""
    found = carried_out("get_person_request", {"request_id": request_id})
    if not found.paper:
        raise Invalid(f"Request {request_id} is not answered yet; `loa privacy answer` answers it.")
    if not found.intact:
        raise Invalid(f"The paper of request {request_id} was altered; compare the database with a backup.")
    seal = found.seal or "không có khóa"
    whole = f"{found.paper}SHA-256: {found.sha256}\nDấu xác nhận: {seal}\n"
    if out is None:
        typer.echo(shown(whole), nl=False)
        return
    replace_lines(out, [whole])
    typer.echo(f"Wrote {out}.")


add_operations(app, "privacy")

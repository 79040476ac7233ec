"""`loa privacy`: what is held on one person, and what persons ask about their own data."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from app.api.bodies import filled
from app.cli import common
from app.cli.common import decider, ledger_for, open_db
from app.cli.files import replace_lines
from app.cli.output import After, Json, Most, Number, day, listing, say, shown
from app.cli.remote import asked, at_server
from app.core.errors import Invalid
from app.privacy import person_requests
from app.privacy.person_answers import PersonAnswer, PersonAnswers
from app.privacy.person_data import PersonData, person_data, whole_paper
from app.privacy.person_requests import NewPersonRequest, PersonRequest, RequestKind, RequestOutcome
from app.privacy.routes import PersonAnswerBody, PersonRequestBody

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
    found = _found((number if number is not None else sys.stdin.readline()).strip())
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


def _found(number: str) -> PersonData:
    if common.server is not None:
        there: PersonData = at_server(lambda api: api.read_person_data(phone=number))
        return there
    with open_db() as (db, _):
        return person_data(db, number, db.read(decider, "read_person_data"))


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
    """Record a person's request about their own data, with the day by which to answer."""
    phone = (number if number is not None else sys.stdin.readline()).strip()
    said = {"phone": phone, "kind": kind, "came_on": day("came", came), "reference": reference}
    body = filled(PersonRequestBody, said)
    wanted = NewPersonRequest(body.phone, body.kind, body.came_on, body.reference)
    found: PersonRequest
    if common.server is not None:
        found = at_server(
            lambda api: api.record_person_request(
                phone=phone, kind=body.kind.value, came_on=body.came_on, reference=body.reference
            )
        )
    else:
        with open_db() as (db, settings):
            who = db.read(decider, "record_person_request")
            found = db.write(person_requests.record, wanted, who.name, settings.holidays)
    say(found, as_json)


@app.command("requests")
def requests_(
    open_only: Annotated[bool, typer.Option("--open", help="Only open requests.")] = False,
    after: After = 0,
    limit: Most = 1000,
    as_json: Json = False,
) -> None:
    """Show people's requests, when they are due, and who answered them."""
    found = asked(
        lambda api: list(islice(api.list_person_requests(after=after, open_only=open_only), limit)),
        lambda db: db.read(person_requests.listed, after, limit, open_only=open_only).items,
    )
    listing(found, ("id", "kind", "phone", "came_on", "due_on", "overdue", "outcome", "answered_by"), as_json)


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
    body = filled(PersonAnswerBody, {"outcome": outcome, "why": why})
    found: PersonRequest
    if common.server is not None:
        found = at_server(
            lambda api: api.answer_person_request(request_id, outcome=outcome.value, why=body.why)
        )
    else:
        with open_db() as (db, settings):
            ledger, who = ledger_for(db, settings.chunk_size), db.read(decider, "answer_person_request")
            answers = PersonAnswers(db, ledger, settings.retention_days, who)
            found = answers.answer(request_id, PersonAnswer(outcome, body.why))
    say(found, as_json)


@app.command()
def paper(
    request_id: Number,
    out: Annotated[Path | None, typer.Option(help="The file to write.")] = None,
) -> None:
    """Print the document for the person, with its digest and seal, or write it to a file."""
    found = asked(
        lambda api: api.get_person_request(request_id), lambda db: db.read(person_requests.get, request_id)
    )
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

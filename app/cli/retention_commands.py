"""`loa retention`: what is erased when, erasing what is due, and certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from app.cli import common
from app.cli.common import ledger_for, open_db
from app.cli.operation_commands import carried_out
from app.cli.output import Json, listing, say, whoami, whole
from app.cli.remote import at_server
from app.core import clock
from app.core.config import Settings
from app.database import clock_leaps
from app.database.connection import Database
from app.privacy import certificates, operations, retention_due, terms_in_force
from app.privacy.erasable import Erasable, RetentionTerms
from app.privacy.eraser import Eraser
from app.privacy.terms_in_force import TermsInForce

app = typer.Typer(no_args_is_help=True, help="Erasure of expired data, with certificates.")


@dataclass(frozen=True, slots=True)
class _Shown:
    """One line of the list: a certificate, or an item with its due day or the reason it has none."""

    kind: str
    id: int | None
    name: str
    due_at: datetime | None
    said: str


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show what is stored, until when or why, and the certificates. Over --server, only the
    certificates."""
    if common.server is not None:
        found = [_made_of(each) for each in at_server(lambda api: list(api.list_erasures(limit=1000)))]
    else:
        with open_db() as (db, settings):
            found = db.read(_everything, _in_force(db, settings).terms)
    listing(found, ("kind", "id", "name", "due_at", "said"), as_json)


@app.command()
def run(as_json: Json = False) -> None:
    """Erase everything that is due, as the workers do, and print the certificates. Exit status 1 if
    something is left."""
    with open_db(working="Erasing") as (db, settings):
        ledger, before = ledger_for(db, settings.chunk_size), db.read(_ended)
        asyncio.run(Eraser(db, ledger, _terms(settings), whoami()).run(asyncio.Event()))
        made = [each for number, each in db.read(_ended).items() if number not in before]
        left_ms = db.read(certificates.free_in_ms)
        _in_force(db, settings)
        leap = db.read(clock_leaps.leap)
    if as_json:
        say(made, True)
    elif made or (left_ms is None and leap is None):
        typer.echo("\n\n".join(certificates.text(each) for each in made) or "Nothing is due.")
    if leap is not None:
        typer.echo(leap.sentence, err=True)
        raise typer.Exit(1)
    if left_ms is not None:
        typer.echo(
            "An erasure is unfinished: another process is working on it, or was stopped. If it "
            "does not continue, "
            f"run this again in {left_ms // 1000 + 1} s to complete it.",
            err=True,
        )
        raise typer.Exit(1)


@app.command()
def confirm() -> None:
    """Confirm retention terms that were shortened in the settings.

    Data that is then due is erased permanently.
    """
    with open_db() as (db, settings):
        shortened = db.write(terms_in_force.confirm, _terms(settings), whoami())
    for name, before, after in shortened:
        typer.echo(f"Confirmed: {name} is {after} instead of {before}.")
    if not shortened:
        typer.echo("No retention term is waiting for a confirmation.")


@app.command()
def certificate(
    number: Annotated[int, typer.Argument(parser=whole, help="The number in `loa retention list`.")],
    as_json: Json = False,
) -> None:
    """Print a certificate. Exit status 1 if it was altered."""
    ids = {"erasure_id": number}
    found = carried_out(operations.get_erasure, ids)
    if as_json:
        say(found, True)
    else:
        typer.echo(carried_out(operations.print_erasure, ids).decode().rstrip("\n"))
    if not found.intact:
        raise typer.Exit(1)


def _terms(settings: Settings) -> RetentionTerms:
    return RetentionTerms(settings.retention_days, settings.records_months)


def _in_force(db: Database, settings: Settings) -> TermsInForce:
    """Note the settings' terms, and return those in force; says on standard error which of them wait."""
    db.write(terms_in_force.note, _terms(settings))
    found = db.read(terms_in_force.in_force, _terms(settings))
    for name, before, after in found.waiting:
        typer.echo(
            f"{name} was shortened from {before} to {after}. The longer term applies until you confirm the "
            "shorter one with `loa retention confirm`. If this is a mistake, correct the setting.",
            err=True,
        )
    return found


def _everything(connection: Connection, terms: RetentionTerms) -> list[_Shown]:
    waiting = [_waiting(each) for each in retention_due.subjects(connection, terms)]
    return [*_made(connection), *waiting]


def _ended(connection: Connection) -> dict[int, certificates.Certificate]:
    return {each.id: each for each in certificates.listed(connection, 0, 10**6).items if each.ended_at}


def _made(connection: Connection) -> Iterator[_Shown]:
    yield from map(_made_of, certificates.listed(connection, 0, 10**6).items)


def _made_of(certificate: Any) -> _Shown:
    rows = sum(certificate.rows.values())
    said = f"erased: certificate {certificate.id}, {rows} rows" if certificate.ended_at else "being erased"
    return _Shown(str(certificate.kind), certificate.subject_id, certificate.name, certificate.due_at, said)


def _waiting(erasable: Erasable) -> _Shown:
    at = clock.moment(erasable.due_at)
    return _Shown(erasable.kind.value, erasable.id, erasable.name, at, erasable.held or erasable.rule)

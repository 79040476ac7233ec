"""`loa unknown`: deliveries of unknown outcome, for an operator to decide on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Row

from app.cli import common
from app.cli.common import ledger_for, open_db
from app.cli.files import replace_lines
from app.cli.output import Json, Number, counted, done, listing, whoami
from app.cli.remote import asked, at_server
from app.core import clock, ids
from app.core.errors import Invalid
from app.core.phone import mask
from app.database.connection import Database
from app.dispatch import unknown_decisions, unknown_export
from app.ledger.ledger import Ledger
from app.security import phone_disclosure
from app.security.phone_disclosure import DisclosurePlace

app = typer.Typer(no_args_is_help=True, help="Unknown deliveries: list, resend or write off.")

Lines = Annotated[
    list[str] | None, typer.Option("--line", help="One delivery as BATCH:LINE; may be repeated.")
]
All = Annotated[bool, typer.Option("--all", help="All of the run's unknown deliveries.")]


@dataclass(frozen=True, slots=True)
class _Shown:
    line: str
    phone: str
    since: datetime
    why: str
    written_off_by: str | None


@app.command("list")
def list_(run_id: Number, as_json: Json = False) -> None:
    """Show up to a thousand unknown deliveries of a run, with masked numbers."""
    shown = asked(
        lambda api: [
            _Shown(f"{each.batch}:{each.line}", each.phone, each.since, each.why, each.written_off_by)
            for each in islice(api.list_unknown(run_id, limit=1000), 1000)
        ],
        lambda db: [_shown(row) for row in db.read(unknown_decisions.listed, run_id)],
    )
    listing(shown, ("line", "phone", "since", "why", "written_off_by"), as_json)


@app.command()
def export(
    run_id: Number,
    out: Annotated[Path, typer.Option(help="The file to write, as CSV for Excel.")],
    whole_numbers: Annotated[
        bool, typer.Option(help="Do not mask numbers; the audit log records it.")
    ] = False,
) -> None:
    """Write the unknown deliveries of a run, to ask the carrier which of them it accepted."""
    if common.server is not None:
        if whole_numbers:
            raise Invalid(
                "Over --server, only the carrier's own operator gets whole numbers, without this option."
            )
        replace_lines(out, [at_server(lambda api: api.download_unknown(run_id))])
        return
    with open_db(looks=True) as (db, _):
        n = db.read(unknown_export.count, run_id)
        if whole_numbers:
            place = DisclosurePlace.UNKNOWN_LIST_COMMAND
            db.write(phone_disclosure.note, whoami(), place, f"run/{run_id}", n)
        replace_lines(out, unknown_export.carrier_list(db, run_id, whole=whole_numbers))


@app.command()
def resend(run_id: Number, lines: Lines = None, everything: All = False) -> None:
    """Queue unknown deliveries again. People may get a second copy."""
    chosen = _chosen(lines, everything)
    moved = _decided("resend", unknown_decisions.resend, run_id, chosen)
    said = counted(moved, f"delivery of run {run_id} is", f"deliveries of run {run_id} are")
    done(f"{said} queued again.", run=run_id, deliveries=moved)


@app.command("write-off")
def write_off(run_id: Number, lines: Lines = None, everything: All = False) -> None:
    """Leave unknown deliveries unknown permanently. The report counts them separately."""
    chosen = _chosen(lines, everything)
    moved = _decided("write_off", unknown_decisions.write_off, run_id, chosen)
    said = counted(moved, f"delivery of run {run_id} is", f"deliveries of run {run_id} are")
    done(f"{said} written off.", run=run_id, deliveries=moved)


_Decide = Callable[[Database, Ledger, unknown_decisions.UnknownOrder, unknown_decisions.Progress], int]


def _decided(verb: str, decide: _Decide, run_id: int, chosen: list[tuple[int, int]]) -> int:
    if common.server is not None:
        lines = {"lines": chosen} if chosen else {"all": True}
        moved: int = at_server(lambda api: getattr(api, f"{verb}_unknown")(run_id, **lines).deliveries)
        return moved
    with open_db() as (db, settings):
        ledger = ledger_for(db, settings.chunk_size)
        return decide(db, ledger, unknown_decisions.UnknownOrder(run_id, whoami(), chosen), _say)


def _shown(row: Row[Any]) -> _Shown:
    since = clock.moment(row.since)
    return _Shown(f"{row.batch_id}:{row.seq}", mask(row.phone), since, row.why, row.written_off_by)


def _say(done: int, total: int) -> None:
    typer.echo(f"{done:,} of {total:,}", err=True)


def _chosen(lines: list[str] | None, everything: bool) -> list[tuple[int, int]]:
    """Return (batch, line) pairs, empty for all; raises Invalid for no choice, which must not mean all."""
    if everything == bool(lines):
        raise Invalid("Name either --line BATCH:LINE (as shown by `loa unknown list`) or --all.")
    return [] if everything else [_pair(line) for line in lines or []]


def _pair(line: str) -> tuple[int, int]:
    batch, seq = (ids.read(each) for each in line.partition(":")[::2])
    if not batch or not seq:
        raise Invalid("--line {line} is not valid. Use BATCH:LINE, for example 3:1042.", line=line)
    return batch, seq

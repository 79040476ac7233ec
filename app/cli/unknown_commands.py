"""`loa unknown`: deliveries of unknown outcome, for an operator to decide on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import common
from app.cli.common import open_db
from app.cli.files import replace_lines
from app.cli.operation_commands import carried_out
from app.cli.output import Json, counted, done, listing, whoami, whole
from app.cli.remote import at_server
from app.core import ids
from app.core.errors import Invalid
from app.dispatch import decisions, unknown_export
from app.security import phone_disclosure
from app.security.phone_disclosure import DisclosurePlace

app = typer.Typer(no_args_is_help=True, help="Unknown deliveries: list, export or write off.")
RunNumber = Annotated[int, typer.Argument(parser=whole, metavar="NUMBER", help="Number of the run.")]

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
def list_(run_id: RunNumber, as_json: Json = False) -> None:
    """Show up to a thousand unknown deliveries of a run, with masked numbers."""
    found = carried_out(decisions.list_unknown, {"run_id": run_id})
    shown = [
        _Shown(f"{each.batch}:{each.line}", each.phone, each.since, each.why, each.written_off_by)
        for each in found
    ]
    listing(shown, ("line", "phone", "since", "why", "written_off_by"), as_json)


@app.command()
def export(
    run_id: RunNumber,
    out: Annotated[Path, typer.Option(help="The file to write, as CSV for Excel.")],
    whole_numbers: Annotated[
        bool, typer.Option(help="Do not mask numbers; the audit log records it.")
    ] = False,
) -> None:
    """Write a run's unknown deliveries to a file, to ask the carrier which of them it accepted."""
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


@app.command("write-off")
def write_off(
    run_id: RunNumber,
    lines: Lines = None,
    everything: All = False,
    reason: Annotated[str | None, typer.Option(help="The reason, kept in the audit.")] = None,
) -> None:
    """Leave unknown deliveries unknown permanently. The report counts them separately."""
    body = _chosen(lines, everything) | ({"reason": reason} if reason else {})
    n = carried_out(decisions.write_off_unknown, {"run_id": run_id}, **body).deliveries
    deliveries = counted(n, f"delivery of run {run_id} is", f"deliveries of run {run_id} are")
    done(f"{deliveries} written off.", run=run_id, deliveries=n)


def _chosen(lines: list[str] | None, everything: bool) -> dict[str, Any]:
    """Return what the body has; raises Invalid for no choice, which must not mean all."""
    if everything == bool(lines):
        raise Invalid("Name either --line BATCH:LINE (as shown by `loa unknown list`) or --all.")
    return {"all": True} if everything else {"lines": [_pair(line) for line in lines or []]}


def _pair(line: str) -> tuple[int, int]:
    batch, seq = (ids.read(each) for each in line.partition(":")[::2])
    if not batch or not seq:
        raise Invalid("--line {line} is not valid. Use BATCH:LINE, for example 3:1042.", line=line)
    return batch, seq

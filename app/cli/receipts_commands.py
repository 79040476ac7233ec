"""`loa receipts`: result files of carriers, applied as receipts and reconciled with the ledger."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from pydantic_core import to_json

from app.cli import common
from app.cli.common import ledger_for, open_db
from app.cli.files import as_file, read_twice, replace_lines, replace_whole
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Json, bar, whoami, whole
from app.cli.remote import at_server, client, imported
from app.core.errors import Invalid
from app.receipts import result_file_operations as operations
from app.receipts.result_files import queries
from app.receipts.result_files.queries import ReceiptFile, RunMessages, lines_csv
from app.receipts.result_files.register import FileClaim, read_level, register
from app.receipts.result_files.result_import_job import Progress
from app.receipts.result_files.result_importer import import_file
from app.receipts.result_files.status_words import words_of
from app.receipts.result_files.verdicts import WORDS, ResultVerdict
from app.security import phone_disclosure
from app.security.phone_disclosure import DisclosurePlace

app = typer.Typer(
    no_args_is_help=True, help=("Import a carrier's result file and reconcile it with receipts.")
)

FileId = Annotated[int, typer.Argument(parser=whole, help="The receipt file.")]


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(callback=read_twice, help="CSV (also .gz) or XLSX: number, status, time.")
    ],
    carrier: Annotated[str, typer.Option(help="viettel, vnpt, mobifone ...")],
    campaign: Annotated[
        int | None, typer.Option(parser=whole, help="The campaign of the file; default: found by time.")
    ] = None,
    level: Annotated[
        str | None, typer.Option(help=("What the file proves under the contract: operator or handset."))
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name for it; default: the file name.")] = None,
    as_json: Json = False,
) -> None:
    """Apply a carrier's result file. The same file is applied only once."""
    if common.server is not None:
        with client() as api:
            sent = api.upload_receipt_file(
                file=file, carrier=carrier, campaign=campaign, level=cast("Any", level), name=name
            )
            _say(imported(sent, api.get_receipt_file), as_json)
        return
    with open_db() as (db, settings):
        words, claim = (
            words_of(settings.links.values(), carrier),
            FileClaim(carrier, campaign, read_level(level)),
        )
        known = db.write(register, claim, as_file(file, name), whoami())
        # Two passes over the file: read, then apply.
        size = file.stat().st_size
        with bar(2 * size, quiet=as_json) as show:

            def tell(at: Progress) -> None:
                show(f"{at.judged or at.lines:,} lines", at.bytes_read + size * at.judged // max(at.lines, 1))

            import_file(db, ledger_for(db), known.id, file, words, tell)
        done = db.read(queries.get, known.id)
    _say(done, as_json)


@app.command()
def show(
    file_id: FileId,
    out: Annotated[Path | None, typer.Option(help="The file for the counts, as CSV for Excel.")] = None,
    as_json: Json = False,
) -> None:
    """Show the reconciliation of a file with the ledger."""
    if out:
        replace_whole(out, carried_out(operations.download_reconciliation, {"file_id": file_id}))
        return
    _say(carried_out(operations.get_receipt_file, {"file_id": file_id}), as_json)


@app.command()
def lines(
    file_id: FileId,
    out: Annotated[Path, typer.Option(help="The file to write, as CSV for Excel.")],
    verdict: Annotated[ResultVerdict | None, typer.Option(help="Only lines with this outcome.")] = None,
    whole_numbers: Annotated[
        bool, typer.Option(help="Do not mask numbers; the audit log records it.")
    ] = False,
) -> None:
    """Write the lines of a file with their outcomes, and the messages without a line."""
    if common.server is not None:
        if whole_numbers:
            raise Invalid(
                "Over --server, only the carrier's own operator gets whole numbers, without this option."
            )
        content = at_server(lambda api: api.download_receipt_lines(file_id, verdict=cast("Any", verdict)))
        replace_lines(out, [content])
        return
    with open_db(looks=True) as (db, _):
        db.read(queries.get, file_id)
        if whole_numbers:
            n, what = db.read(queries.whole_numbers, file_id, verdict), f"receipt-file/{file_id}"
            db.write(phone_disclosure.note, whoami(), DisclosurePlace.RECEIPT_LINES_COMMAND, what, n)
        found = queries.everything(db.read, file_id, verdict, whole=whole_numbers)
        replace_lines(out, lines_csv(found))


def _say(file: ReceiptFile, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(file).decode())
        return
    typer.echo(f"Receipt file {file.id} of {file.carrier}, {file.state}: {file.lines} lines, of which")
    for each in fields(file.reconciliation):
        typer.echo(f"{getattr(file.reconciliation, each.name):>10}  {each.name:<16}  {WORDS[each.name].en}")
    for run in file.runs:
        typer.echo(_run(run))


def _run(run: RunMessages) -> str:
    return (
        f"Run {run.run_id} (campaign {run.campaign_id}): {run.sent} sent = {run.rejected} "
        "rejected immediately "
        f"+ {run.named} listed in the file + {run.missing} missing + {run.later} handed over later."
    )


add_operations(app, "receipts", operations)

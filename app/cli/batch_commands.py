"""`loa batch`: import files of subscribers and show the results."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import to_json

from app.batches import operations as operations  # its operations
from app.batches import queries
from app.batches.import_job import ImportCounts
from app.batches.importer import import_batch, register
from app.batches.queries import bad_lines_csv
from app.batches.row_parser import KEPT
from app.cli import common, remote
from app.cli.common import open_db
from app.cli.files import as_file, read_twice, replace_lines
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Json, bar, whoami, whole
from app.core.carrier_check import check_own
from app.core.masking import escaped
from carriers.phrases import Phrase

app = typer.Typer(no_args_is_help=True, help="Batches: subscribers of one carrier, from one file.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(callback=read_twice, help="CSV (also .gz) or XLSX.")],
    carrier: Annotated[str, typer.Option(help="viettel, vnpt, mobifone ...")],
    name: Annotated[str | None, typer.Option(help="A name for it; default: the file name.")] = None,
    as_json: Json = False,
) -> None:
    """Import a file. Importing the same file again gives the same batch."""
    if common.server is not None:
        _send(file, carrier, name, as_json)
        return
    given = as_file(file, name)
    with open_db(founds=True, check=partial(check_own, carrier=carrier)) as (db, _):
        known = db.write(register, carrier, given, whoami())
        with bar(file.stat().st_size, quiet=as_json) as show:

            def tell(counts: ImportCounts) -> None:
                show(f"{counts.lines:,} lines", counts.bytes_read)

            counts = import_batch(db, known.id, file, tell)
        batch = db.read(queries.get, known.id)
    if as_json:
        typer.echo(to_json(batch).decode())
        return
    _tell(batch, "" if known.created else " (known already)")
    for count, words in (
        (batch.other_range, "numbers are in other carriers' ranges; they may have been ported"),
        (counts.unknown_areas, "lines have an unknown area and are counted without one"),
        (counts.languages_ignored, "lines have a language, which is ignored"),
        (counts.short_rows, "lines have fewer cells than the header; missing cells are treated as empty"),
    ):
        if count:
            typer.echo(f"{count} {words}.")


def _tell(batch: queries.Batch, remark: str = "") -> None:
    typer.echo(
        f"Batch {batch.id}{remark}: {batch.lines} lines = "
        f"{batch.accepted} accepted + {batch.rejected} rejected + {batch.repeated} repeated."
    )


def _send(file: Path, carrier: str, name: str | None, as_json: bool) -> None:
    with remote.client() as api:
        batch = remote.imported(api.upload_batch(file=file, carrier=carrier, name=name), api.get_batch)
    if as_json:
        typer.echo(to_json(batch).decode())
    else:
        _tell(batch)


@app.command()
def bad_lines(
    batch_id: Annotated[int, typer.Argument(parser=whole, help="The batch.")],
    out: Annotated[Path | None, typer.Option(help="The file to write, as CSV for Excel.")] = None,
) -> None:
    """Show the bad lines, and why they were rejected."""
    ids = {"batch_id": batch_id}
    batch = carried_out("get_batch", ids)
    if out is None:
        for line in carried_out("list_bad_lines", ids, limit=KEPT):
            typer.echo(f"{line.line}\t{escaped(line.value)}\t{line.reason_en}")
        if (rest := batch.lines - batch.accepted - KEPT) > 0:
            typer.echo(Phrase("{n} more bad lines were counted but not stored.", n=rest))
    elif common.server is not None:
        replace_lines(out, [remote.at_server(lambda api: api.download_bad_lines(batch_id))])
    else:
        with open_db(looks=True) as (db, _):
            lines = queries.all_bad_lines(db.read, batch_id)
            replace_lines(out, bad_lines_csv(lines, batch.lines - batch.accepted))


add_operations(app, "batch")

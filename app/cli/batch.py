"""`loa batch`: import files of subscribers, see what came of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from app.batches import queries
from app.batches.carriers import check_carrier
from app.batches.export import bad_lines_csv
from app.batches.importer import File, import_batch, register
from app.batches.job import Counts
from app.cli.common import open_db
from app.cli.talk import Json, listing, whoami
from app.errors import Invalid

app = typer.Typer(no_args_is_help=True, help="Batches: subscribers of one carrier, from one file.")

_COLUMNS = ("id", "carrier", "name", "state", "percent", "lines", "accepted", "rejected", "repeated")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV (also .gz) or XLSX.")],
    carrier: Annotated[str, typer.Option(help="viettel, vnpt, mobifone ...")],
    name: Annotated[str | None, typer.Option(help="What people call it; else the file's name.")] = None,
    as_json: Json = False,
) -> None:
    """Import a file; the same file again is the same batch."""
    with open_db() as (db, settings):
        check_carrier(settings, carrier)
        known = db.write(register, carrier, _file(file, name), whoami())
        with _bar(file.stat().st_size, quiet=as_json) as show:
            counts = import_batch(db, known.id, file, show)
        batch = db.read(queries.get, known.id)
    if as_json:
        typer.echo(to_json(batch).decode())
        return
    typer.echo(
        f"Batch {batch.id}{'' if known.created else ' (known already)'}: {batch.lines} lines = "
        f"{batch.accepted} accepted + {batch.rejected} rejected + {batch.repeated} repeated."
    )
    for count, words in (
        (batch.other_range, "numbers are of other carriers' ranges; they may have been ported"),
        (counts.unknown_areas, "lines have an area that is not known; they are counted without one"),
        (counts.unknown_languages, "lines have a language that is not known; they get the default wording"),
    ):
        if count:
            typer.echo(f"{count} {words}.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the batches."""
    with open_db() as (db, _):
        found = db.read(queries.page, 0, 1000)
    listing(found, _COLUMNS, as_json)


@app.command()
def bad_lines(
    batch_id: Annotated[int, typer.Argument(help="The batch.")],
    out: Annotated[Path | None, typer.Option(help="Write CSV for Excel there.")] = None,
) -> None:
    """Show the lines that gave no subscriber, and why."""
    with open_db() as (db, _):
        db.read(queries.get, batch_id)
        lines = queries.all_bad_lines(db.read, batch_id)
        if out:
            with out.open("w", encoding="utf-8", newline="") as file:
                file.writelines(bad_lines_csv(lines))
            return
        for line in lines:
            typer.echo(f"{line.line}\t{line.value}\t{line.reason_en}")


def _file(path: Path, name: str | None) -> File:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Invalid(f"{path} can't be read ({error.strerror}).", field="file") from None
    return File(name or path.name, digest, path.stat().st_size)


@contextmanager
def _bar(size: int, *, quiet: bool) -> Iterator[Callable[[Counts], None]]:
    """A bar over the bytes of the file on stderr, which vanishes at the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=quiet) as bar:
        task = bar.add_task("importing", total=max(size, 1))

        def show(counts: Counts) -> None:
            bar.update(task, completed=counts.bytes_read, description=f"{counts.lines:,} lines")

        yield show

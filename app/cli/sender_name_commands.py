"""`loa sender-name`: what reads files; the rest are operations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.files import readable, table_of
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Number, done
from app.cli.statement_commands import attached
from app.sender_names import checks, refusals, register

app = typer.Typer(no_args_is_help=True, help="The register of sender names and templates at the carriers.")


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(callback=readable, help="CSV in UTF-8, the names of the fields in its first line."),
    ],
) -> None:
    """Import a table of sender names and templates: all of it, or none if a line is wrong."""
    found = carried_out(register.import_sender_names, {}, table=table_of(file))
    done(
        f"Register entries added: {found.added}; replaced: {found.replaced}.",
        added=found.added,
        replaced=found.replaced,
    )


@app.command()
def paper(
    sender_name_id: Number,
    file: Annotated[Path, typer.Argument(callback=readable, help="PDF, PNG or JPEG.")],
) -> None:
    """Attach a scan, such as the certificate, to an entry."""
    sha256 = attached(file)
    carried_out(register.set_sender_name_paper, {"sender_name_id": sender_name_id}, attachment=sha256)
    done(f"The paper of entry {sender_name_id} is filed.", sender_name=sender_name_id, attachment=sha256)


add_operations(app, "sender-name", register, refusals, checks)

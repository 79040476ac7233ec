"""`loa panel`: what reads a file; the rest are operations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.files import readable, table_of
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import done
from app.reports.counting import panel_judgements
from app.telephone_panel import answers, register

app = typer.Typer(no_args_is_help=True, help="Test telephones that say whether a campaign's text has come.")


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(callback=readable, help="CSV in UTF-8, the names of the fields in its first line."),
    ],
) -> None:
    """Import a table of test telephones: all of it, or none if a line is wrong."""
    found = carried_out(register.import_panel_telephones, {}, table=table_of(file))
    done(
        f"{found.added} telephones were added; {found.known} were in the panel already.",
        added=found.added,
        known=found.known,
    )


add_operations(app, "panel", register, answers, panel_judgements)

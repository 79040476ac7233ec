"""`loa sender-name`: the scan of a paper; the rest are operations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.files import readable
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Number, done
from app.cli.statement_commands import attached
from app.sender_names import checks, refusals, register

app = typer.Typer(no_args_is_help=True, help="The register of sender names and templates at the carriers.")


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

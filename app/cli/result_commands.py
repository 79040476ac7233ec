"""`loa result`: takes a signed file; the list is an operation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.files import readable
from app.cli.operation_commands import carried_out
from app.cli.output import Number, done
from app.core.errors import Invalid

app = typer.Typer(no_args_is_help=True, help="Results that carriers have signed.")


@app.command()
def add(
    run_id: Number,
    file: Annotated[Path, typer.Argument(callback=readable, help="The signed file of the carrier.")],
) -> None:
    """Take a result that its carrier has signed: verified, matched to its order, kept as a statement."""
    from app.signed_orders import loa_carrier, results

    if file.stat().st_size > loa_carrier.MOST_BYTES:
        raise Invalid(
            f"{file.name} is larger than {loa_carrier.MOST_BYTES} bytes, so it is no signed result."
        )
    found = carried_out("take_result", {"run_id": run_id}, **results.read_file(file.read_bytes()))
    said = (
        f"Run {run_id}: result version {found.version} is taken, as version {found.statement} of the figures."
    )
    done(
        said, run=run_id, version=found.version, statement=found.statement, sha256=found.sha256, kid=found.kid
    )

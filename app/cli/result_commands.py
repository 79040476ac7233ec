"""`loa result`: takes a signed file, or signs one at a carrier; the list is an operation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import to_json, to_jsonable_python

from app.cli.files import readable, replace_whole
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Number, done
from app.core.errors import Invalid
from app.signed_orders import loa_carrier, received, results

app = typer.Typer(no_args_is_help=True, help="Results that carriers have signed.")


def small(file: Path) -> Path:
    """Return the file. Raises Invalid for one that is larger than any signed document."""
    if file.stat().st_size > loa_carrier.MOST_BYTES:
        raise Invalid(
            "{name} is larger than {most_bytes} bytes. Choose the signed file.",
            name=file.name,
            most_bytes=loa_carrier.MOST_BYTES,
        )
    return file


@app.command()
def add(
    run_id: Number,
    file: Annotated[Path, typer.Argument(callback=readable, help="The signed file of the carrier.")],
) -> None:
    """Accept a result signed by its carrier: verify it, match it to its order, store it as a statement."""
    found = carried_out(
        results.take_result, {"run_id": run_id}, **results.read_file(small(file).read_bytes())
    )
    said = f"Result version {found.version} is taken, as version {found.statement} of the figures."
    facts = {name: getattr(found, name) for name in ("version", "statement", "order", "sha256", "kid")}
    done(said, run=run_id, **facts)


@app.command()
def export(
    run_id: Number,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    changes: Annotated[str, typer.Option(help="From the second result on: what changed, and why.")] = "",
    remarks: Annotated[str, typer.Option(help="Complaints, incidents; no phone numbers.")] = "",
) -> None:
    """At a carrier: sign the result of a run created from a signed order, with the ledger's figures."""
    found = carried_out(received.export_result, {"run_id": run_id}, changes=changes, remarks=remarks)
    replace_whole(out, to_json(to_jsonable_python(found), indent=1) + b"\n")
    done(f"Wrote {out}. Hand it to the police, over HTTPS or on a stick.", run=run_id, file=out)


add_operations(app, "result", results)

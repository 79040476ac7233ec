"""`loa order`: takes a signed order at a carrier; the rest are operations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.files import readable
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import done, whole
from app.cli.result_commands import signed_file
from app.signed_orders import orders, received

app = typer.Typer(no_args_is_help=True, help="Signed orders to carriers that send to their own subscribers.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(callback=readable, help="The signed order of the police.")],
    batch: Annotated[
        list[int] | None,
        typer.Option(parser=whole, help="Your own batch to send to; may be repeated."),
    ] = None,
) -> None:
    """At a carrier: verify the police's order and create a campaign from it with your own batches.

    Another person approves the campaign before it starts. A withdrawal cancels the run of its order.
    """
    found = carried_out(received.receive_order, {}, batch_ids=batch or [], **signed_file(file))
    said = f"Order {found.number}: campaign {found.campaign_id}, run {found.run_id} ({found.run_state})."
    if found.kind == "withdrawal":
        said = f"Withdrawal {found.number}: run {found.run_id} is {found.run_state}."
    facts = {name: getattr(found, name) for name in ("number", "kind", "campaign_id", "run_id", "sha256")}
    done(said, **facts)


add_operations(app, "order", orders)

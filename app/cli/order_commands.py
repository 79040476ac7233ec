"""`loa order`: takes a signed order at a carrier; the rest are operations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.files import readable
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import done, whole
from app.cli.result_commands import small
from app.core.errors import Conflict
from app.signed_orders import orders, received, results

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

    The file may have all documents of the order: only the newest counts, and stops what older ones started.
    Another person approves the campaign before it starts.
    """
    documents = results.read_files(small(file).read_bytes())
    found = [carried_out(received.receive_order, {}, batch_ids=batch or [], **each) for each in documents]
    order = next((each for each in found if each.state == received.OrderState.IN_FORCE), found[0])
    if order.problem and order.run_id is None:
        raise Conflict(
            "Order {number} was stored, but no campaign was created: {problem}",
            number=order.number,
            problem=order.problem,
        )
    facts = {name: getattr(order, name) for name in ("number", "kind", "campaign_id", "run_id", "sha256")}
    done(_said(order), **facts)


def _said(order: received.ReceivedOrder) -> str:
    if order.state == received.OrderState.REPLACED:
        return f"Document {order.number} was stored. A newer one is in force, so nothing changes."
    if order.kind == "withdrawal":
        return f"Withdrawal {order.number} was stored. What its order had started is stopped."
    said = f"Order {order.number}: campaign {order.campaign_id}, run {order.run_id} ({order.run_state})."
    return f"{said} {order.problem}" if order.problem else said


add_operations(app, "order", orders)
add_operations(app, "order", received)

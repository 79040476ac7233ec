"""`loa rejected`: messages that the carrier refused, sent again once the cause is mended."""

from __future__ import annotations

import typer

from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Json, Number, listing, say
from app.dispatch import decisions

app = typer.Typer(no_args_is_help=True, help="Rejected messages: why, and how to send them again.")


@app.command("list")
def list_(run_id: Number, as_json: Json = False) -> None:
    """Show the rejected messages of a run, by reason and code, and the orders to resend them.

    SENDABLE is how many messages an order would resend. Those that the carrier may have are left out.
    """
    found = carried_out(decisions.list_rejected, {"run_id": run_id})
    if as_json:
        say(found, as_json)
        return
    listing(found.rejected, ("reason", "code", "messages", "sendable"), as_json)
    columns = ("number", "reason", "code", "messages", "asked_by", "approved_by", "sent_again", "because")
    if found.orders:
        listing(found.orders, columns, as_json)


add_operations(app, "rejected", decisions)

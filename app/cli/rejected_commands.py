"""`loa rejected`: messages that the carrier refused, sent again once the cause is mended."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.api.bodies import filled
from app.cli import common
from app.cli.common import decider, ledger_for, open_db
from app.cli.output import Json, Number, counted, done, listing, say, whoami, whole
from app.cli.remote import asked, at_server
from app.core.errors import Invalid, meant
from app.dispatch import rejected_orders
from app.dispatch.schemas import RejectedBody
from carriers.contract import Reason

app = typer.Typer(no_args_is_help=True, help="Rejected messages: why, and how to send them again.")

_REASONS = {reason.name.lower(): reason for reason in Reason if reason is not Reason.NONE}


@app.command("list")
def list_(run_id: Number, as_json: Json = False) -> None:
    """Show the rejected messages of a run, by reason and code, and the orders to resend them.

    SENDABLE is how many an order would resend, without those that the carrier may have.
    """
    of: dict[str, Any] = asked(
        lambda api: _fields(api.list_rejected(run_id)),
        lambda db: {
            "rejected": db.read(rejected_orders.rejected, run_id),
            "orders": db.read(rejected_orders.orders, run_id),
        },
    )
    if as_json:
        say(of, as_json)
        return
    found, orders = of["rejected"], of["orders"]
    listing(found, ("reason", "code", "messages", "sendable"), as_json)
    columns = ("number", "reason", "code", "messages", "asked_by", "approved_by", "sent_again", "because")
    if orders:
        listing(orders, columns, as_json)


def _fields(of: Any) -> dict[str, Any]:
    return {"rejected": of.rejected, "orders": of.orders}


@app.command()
def ask(
    run_id: Number,
    reason: Annotated[str, typer.Option(help=("The reason in `loa rejected list`, for example filtered."))],
    because: Annotated[
        str, typer.Option(help=("What was wrong and how it was fixed, shown to the approver."))
    ],
    code: Annotated[str | None, typer.Option(help="The carrier's code, if the reason has several.")] = None,
) -> None:
    """Order a resend of messages rejected with one code, after its cause has been fixed. Another person
    must approve it."""
    if reason not in _REASONS:
        near = meant(reason, _REASONS)
        hint = f"Did you mean {near}?" if near else f"Choose one of: {', '.join(_REASONS)}."
        raise Invalid("--reason {reason} is not a valid rejection reason. {hint}", reason=reason, hint=hint)
    body = filled(RejectedBody, {"reason": reason, "code": code, "because": because})
    order = asked(
        lambda api: api.ask_rejected(run_id, reason=body.reason, code=body.code, because=body.because),
        lambda db: rejected_orders.ask(db, run_id, _REASONS[reason], body.because, whoami(), body.code),
        looks=False,
    )
    done(
        f"Order {order.number} ({order.messages} messages) is waiting for approval: "
        f"loa rejected approve {run_id} {order.number}",
        run=run_id,
        order=order.number,
        messages=order.messages,
    )


@app.command()
def approve(
    run_id: Number,
    order: Annotated[int, typer.Argument(parser=whole, help="The number in `loa rejected list`.")],
) -> None:
    """Approve another person's order. Its messages are queued again, at the same cost."""
    found = _approved(run_id, order)
    messages = counted(found.sent_again, f"message of run {run_id} is", f"messages of run {run_id} are")
    said = f"{messages} queued again."
    if found.left_out:
        left_out = counted(found.left_out, "was left out", "were left out")
        said += f" {left_out}: a result file says that the carrier has them."
    done(said, run=run_id, order=order, messages=found.sent_again, left_out=found.left_out)


def _approved(run_id: int, order: int) -> rejected_orders.RejectedOrder:
    if common.server is not None:
        done_there: rejected_orders.RejectedOrder = at_server(lambda api: api.approve_rejected(run_id, order))
        return done_there
    with open_db(working="Queueing the messages") as (db, settings):
        caller, ledger = db.read(decider, "approve_campaign"), ledger_for(db, settings.chunk_size)
        return rejected_orders.approve(db, ledger, run_id, order, caller, _say)


def _say(moved: int, total: int) -> None:
    typer.echo(f"{moved:,} of {total:,}", err=True)

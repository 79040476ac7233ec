"""`loa budget`: what is spent of a campaign's budget, and a higher one."""

from __future__ import annotations

from typing import Annotated

import typer

from app.api.bodies import filled
from app.campaigns import budget_orders, queries
from app.campaigns.schemas import BudgetBody
from app.cli.common import decider
from app.cli.output import Json, Number, done, listing, say, whoami, whole
from app.cli.remote import asked
from app.core.errors import Conflict

app = typer.Typer(no_args_is_help=True, help=("Budgets: what is spent, and requests for another budget."))


@app.command()
def show(campaign_id: Number, as_json: Json = False) -> None:
    """Show a campaign's budget, what has been spent, and requests for another budget."""
    found = asked(
        lambda api: api.get_campaign(campaign_id), lambda db: db.read(queries.dossier, campaign_id)
    ).budget
    if found is None:
        raise Conflict("Campaign {campaign_id} has no budget.", campaign_id=campaign_id)
    if as_json:
        say(found, as_json)
        return
    listing([found], ("campaign_id", "segments", "spent_segments"), as_json)
    columns = ("number", "budget_segments", "asked_by", "approved_by", "open", "because")
    if found.orders:
        listing(found.orders, columns, as_json)


@app.command()
def ask(
    campaign_id: Number,
    segments: Annotated[int, typer.Option(parser=whole, help="The maximum number of SMS parts.")],
    because: Annotated[str, typer.Option(help="The reason, shown to the approver.")],
) -> None:
    """Request another budget for an approved campaign. Another person must approve it."""
    body = filled(BudgetBody, {"budget_segments": segments, "because": because})
    order = asked(
        lambda api: api.ask_budget(campaign_id, budget_segments=body.budget_segments, because=body.because),
        lambda db: db.write(budget_orders.ask, campaign_id, body.budget_segments, body.because, whoami()),
        looks=False,
    )
    done(
        f"Request {order.number} is waiting for approval: loa budget approve {campaign_id} {order.number}",
        campaign=campaign_id,
        order=order.number,
    )


@app.command()
def approve(
    campaign_id: Number,
    order: Annotated[int, typer.Argument(parser=whole, help="The number in `loa budget show`.")],
) -> None:
    """Approve another person's request. Runs paused by the old budget continue."""
    asked(
        lambda api: api.approve_budget(campaign_id, order),
        lambda db: db.write(
            budget_orders.approve_waking, db, campaign_id, order, db.read(decider, "approve_campaign")
        ),
        looks=False,
    )
    done(f"Campaign {campaign_id} now has the budget of request {order}.", campaign=campaign_id, order=order)

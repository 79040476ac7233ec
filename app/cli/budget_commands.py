"""`loa budget`: what is spent of a campaign's budget, and a higher one."""

from __future__ import annotations

import typer

from app.campaigns import operations
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Json, Number, listing, say
from app.core.errors import Conflict

app = typer.Typer(no_args_is_help=True, help=("Budgets: what has been spent, and requests for a new budget."))


@app.command()
def show(campaign_id: Number, as_json: Json = False) -> None:
    """Show a campaign's budget, what has been spent, and requests for a new budget."""
    found = carried_out(operations.get_campaign, {"campaign_id": campaign_id}).budget
    if found is None:
        raise Conflict("Campaign {campaign_id} has no budget.", campaign_id=campaign_id)
    if as_json:
        say(found, as_json)
        return
    listing([found], ("campaign_id", "segments", "spent_segments"), as_json)
    columns = ("number", "budget_segments", "asked_by", "approved_by", "open", "reason")
    if found.orders:
        listing(found.orders, columns, as_json)


add_operations(app, "budget", operations)

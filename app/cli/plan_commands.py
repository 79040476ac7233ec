"""`loa plan`: rounds before, during and after Tet, each a campaign with its own approval."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from app.api.bodies import filled
from app.campaigns import plans
from app.campaigns.plans import Phase, RoundWindow
from app.campaigns.quiet_hours import DayHours
from app.campaigns.schemas import PlanBody, RoundFollowUpBody
from app.cli import common
from app.cli.common import open_db
from app.cli.output import Json, Number, done, instant, listing, say, whoami, whole
from app.cli.remote import asked, at_server
from app.core.errors import Invalid
from app.directives import plan_status
from app.ledger.unreached import USUAL, Outcome

app = typer.Typer(no_args_is_help=True, help="Plans: rounds before, during and after Tet.")

_WINDOW = ("nth", "phase", "window_start", "window_end")
_SHOWN = (*_WINDOW, "campaign_id", "state", "subscribers", "first", "repeated")
_Rounds = Annotated[list[str] | None, typer.Option(help="START/END with zones; again for each round.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    directive: Annotated[int, typer.Option(parser=whole, help="The letter behind it.")],
    before: _Rounds = None,
    during: _Rounds = None,
    after: _Rounds = None,
) -> None:
    """Make a plan; its rounds get their campaigns later."""
    said = ((Phase.BEFORE, before), (Phase.DURING, during), (Phase.AFTER, after))
    rounds = tuple(_window(phase, each) for phase, some in said for each in some or ())
    bodies: Any = [
        {"phase": each.phase.value, "window_start": each.start, "window_end": each.end} for each in rounds
    ]
    wanted = filled(PlanBody, {"name": name, "directive_id": directive, "rounds": bodies}).fields()
    made = asked(
        lambda api: api.create_plan(name=name, directive_id=directive, rounds=bodies).id,
        lambda db: db.write(plans.create, wanted, whoami()),
        looks=False,
    )
    done(f"Plan {made}", plan=made)


def _window(phase: Phase, said: str) -> RoundWindow:
    start, _, end = said.partition("/")
    begins, ends = instant(phase, start), instant(phase, end)
    if begins is None or ends is None:
        raise Invalid(f"--{phase} needs two times, as in 2024-02-02T07:00+07:00/2024-02-09T18:00+07:00.")
    return RoundWindow(phase, begins, ends)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the plans."""
    found = asked(
        lambda api: list(api.list_plans(limit=1000)), lambda db: list(db.read(plan_status.page, 0, 1000))
    )
    listing(found, ("id", "name", "directive", "rounds", "campaigns"), as_json)


@app.command()
def show(plan_id: Number, as_json: Json = False) -> None:
    """Show a plan: windows, states and sizes of its rounds, and how many persons they reached."""
    found = asked(lambda api: api.get_plan(plan_id), lambda db: db.read(plan_status.plan, plan_id))
    if as_json:
        say(found, as_json)
        return
    persons = "không còn đếm được số" if found.persons is None else found.persons
    typer.echo(f"{found.name} ({found.directive}): {persons} người đã nhận ít nhất một lần.")
    listing(found.rounds, _SHOWN, as_json)


@app.command()
def set_round(
    plan_id: Number,
    nth: Annotated[int, typer.Argument(parser=whole, help="The round's number in the plan.")],
    campaign: Annotated[str, typer.Option(help="Its number; or none, to take the round's out of the plan.")],
) -> None:
    """Make a campaign a round of the plan; its window must lie in the round's."""
    chosen = None if campaign == "none" else whole(campaign)
    asked(
        lambda api: api.set_round(plan_id, nth, campaign_id=chosen),
        lambda db: db.write(plans.set_round, plan_id, nth, chosen, whoami()),
        looks=False,
    )
    what = "has no campaign now" if chosen is None else f"is campaign {chosen}"
    done(f"Round {nth} of plan {plan_id} {what}.", plan=plan_id, round=nth, campaign=chosen)


@app.command()
def follow_up(
    plan_id: Number,
    nth: Annotated[int, typer.Argument(parser=whole, help="The round's number in the plan.")],
    outcome: Annotated[
        list[Outcome] | None,
        typer.Option(help="Of their messages; again for each; none: undelivered, expired, no_receipt."),
    ] = None,
    area: Annotated[list[str] | None, typer.Option(help="A code; again for each; none: everywhere.")] = None,
    text: Annotated[str | None, typer.Option(help="Another text; none: the same.")] = None,
) -> None:
    """Make a round a draft to those whom the rounds before it did not reach; a worker makes its audience."""
    outcomes = tuple(outcome or USUAL)
    changes: dict[str, Any] = {"text": text} if text else {}
    said = {"outcomes": list(outcomes), "areas": area or []} | changes
    wanted = filled(RoundFollowUpBody, said).request()
    if common.server is not None:
        chosen = cast("Any", [each.value for each in outcomes])
        found = at_server(
            lambda api: api.follow_up_round(plan_id, nth, outcomes=chosen, areas=area or [], **changes)
        )
        made = next(each.campaign_id for each in found.rounds if each.nth == nth)
    else:
        with open_db() as (db, settings):
            default = DayHours(settings.day_starts, settings.day_ends)
            made = db.write(plans.follow_up, db, (plan_id, nth), wanted, (default, whoami()))
    done(f"Campaign {made} is round {nth} of plan {plan_id}.", campaign=made, plan=plan_id, round=nth)

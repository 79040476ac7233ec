"""`loa campaign`: from draft to approval."""

from __future__ import annotations

import time
from dataclasses import asdict
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic_core import to_jsonable_python

from app.api.bodies import filled
from app.campaigns import approval, drafts, operations, runs, text_cost
from app.campaigns.drafts import TextForm
from app.campaigns.schemas import CampaignBody
from app.cli import common
from app.cli.common import open_db
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Json, Number, done, instant, say, shown, whoami, whole
from app.core import clock
from app.core.areas import Basis
from app.core.errors import Invalid
from app.core.states import BatchState
from app.directives import downloads
from app.ledger.unreached import Outcome

if TYPE_CHECKING:
    pass

app = typer.Typer(no_args_is_help=True, help="Campaigns: one text, one sender, one window.")

_EVERY_S = 0.5


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="A name for it.")],
    sender: Annotated[str, typer.Option(help="The registered sender ID.")],
    purpose: Annotated[str, typer.Option(help="tuyen_truyen or canh_bao_khan.")] = "tuyen_truyen",
    text_key: Annotated[str | None, typer.Option(help="A text from messages/.")] = None,
    text: Annotated[str | None, typer.Option(help="Your own text, instead of --text-key.")] = None,
    form: Annotated[
        TextForm, typer.Option(help="Which form of the text to send: with or without diacritics.")
    ] = TextForm.UNACCENTED,
    directive: Annotated[
        int | None, typer.Option(parser=whole, help="The directive that it is based on.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Earliest sending time, with a time zone.")] = None,
    end: Annotated[str | None, typer.Option(help="Latest sending time, with a time zone.")] = None,
    day_starts: Annotated[str | None, typer.Option(help="Daily start of sending, HH:MM.")] = None,
    day_ends: Annotated[str | None, typer.Option(help="Daily end of sending, HH:MM.")] = None,
    budget: Annotated[int | None, typer.Option(parser=whole, help="The maximum number of SMS parts.")] = None,
) -> None:
    """Create a draft."""
    said = {
        "name": name,
        "purpose": purpose,
        "sender": sender,
        "form": form,
        "text_key": text_key,
        "text": text,
        "directive_id": directive,
        "window_start": instant("start", start),
        "window_end": instant("end", end),
    }
    said |= {"day_starts": day_starts, "day_ends": day_ends}
    said["budget_segments"] = budget
    given = {field: value for field, value in said.items() if value is not None}
    made = carried_out(operations.create_campaign, {}, opens={"founds": True}, **given).id
    done(f"Campaign {made}", id=made)
    _warn(text)


@app.command()
def edit(
    campaign_id: Number,
    name: Annotated[str | None, typer.Option(help="A name for it.")] = None,
    sender: Annotated[str | None, typer.Option(help="The registered sender ID.")] = None,
    purpose: Annotated[str | None, typer.Option(help="tuyen_truyen or canh_bao_khan.")] = None,
    text_key: Annotated[str | None, typer.Option(help="A text from messages/.")] = None,
    text: Annotated[str | None, typer.Option(help="Your own text, instead of --text-key.")] = None,
    form: Annotated[
        TextForm | None, typer.Option(help="Which form of the text to send: with or without diacritics.")
    ] = None,
    directive: Annotated[
        int | None, typer.Option(parser=whole, help="The directive that it is based on.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Earliest sending time, with a time zone.")] = None,
    end: Annotated[str | None, typer.Option(help="Latest sending time, with a time zone.")] = None,
    day_starts: Annotated[str | None, typer.Option(help="Daily start of sending, HH:MM.")] = None,
    day_ends: Annotated[str | None, typer.Option(help="Daily end of sending, HH:MM.")] = None,
    budget: Annotated[int | None, typer.Option(parser=whole, help="The maximum number of SMS parts.")] = None,
) -> None:
    """Change the given options and keep the rest. Any approval becomes void."""
    said = {
        "name": name,
        "sender": sender,
        "purpose": purpose,
        "directive_id": directive,
        "window_start": instant("start", start),
        "window_end": instant("end", end),
    }
    said |= {"text_key": text_key, "text": text, "form": form}
    said |= {"day_starts": day_starts, "day_ends": day_ends}
    said["budget_segments"] = budget
    changes = {field: value for field, value in said.items() if value is not None}
    if not changes:
        raise Invalid("Name at least one change, for example --end 2024-02-09T18:00+07:00.")
    whole = {"name": "-", "purpose": "-", "sender": "-"} | changes  # what is not changed is good already
    changes = {field: getattr(filled(CampaignBody, whole), field) for field in changes}
    ids = {"campaign_id": campaign_id}
    read = carried_out(operations.get_campaign, ids).campaign
    times = {"window_start": read.window_start, "window_end": read.window_end}
    in_ms = {name: None if at is None else clock.to_ms(at) for name, at in times.items()}
    draft = drafts.amended(drafts.of_row(SimpleNamespace(**asdict(read) | in_ms)), changes)
    carried_out(operations.edit_campaign, ids, if_match=f'"{read.version}"', **asdict(draft))
    done(f"Campaign {campaign_id} is a draft with this content.", campaign=campaign_id, state="draft")
    _warn(text)


def _warn(text: str | None) -> None:
    """Say on stderr what the approver would have to acknowledge in the author's own wording."""
    for sentence in text_cost.grave([text] if text else []):
        typer.echo(shown(f"Check the text: {sentence}"), err=True)


@app.command()
def follow_up(
    campaigns: Annotated[list[int], typer.Argument(parser=whole, help="Campaigns that have sent.")],
    outcome: Annotated[
        list[Outcome] | None,
        typer.Option(
            help=("Outcome of their messages; repeat for more. Default: undelivered, expired, no_receipt.")
        ),
    ] = None,
    cause: Annotated[
        list[str] | None,
        typer.Option(help="OUTCOME:REASON[:CODE], as `loa campaign unreached` lists them; repeat for more."),
    ] = None,
    carrier: Annotated[list[str] | None, typer.Option(help="Only at this carrier; repeat for more.")] = None,
    second_copies: Annotated[
        int | None, typer.Option(help="Confirm how many people may get the text twice.")
    ] = None,
    area: Annotated[
        list[str] | None, typer.Option(help="An area code; repeat for more. Default: all areas.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name for it.")] = None,
    text_key: Annotated[str | None, typer.Option(help="Another text from messages/.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Your own text. Default: the text of the last campaign.")
    ] = None,
    form: Annotated[
        TextForm | None, typer.Option(help="Which form of the text to send: with or without diacritics.")
    ] = None,
    sender: Annotated[str | None, typer.Option(help="Another registered sender ID.")] = None,
    start: Annotated[str | None, typer.Option(help="Earliest sending time, with a time zone.")] = None,
    end: Annotated[str | None, typer.Option(help="Latest sending time, with a time zone.")] = None,
) -> None:
    """Create a draft for people whom these campaigns did not reach, with one run per carrier."""
    given: dict[str, Any] = {"name": name, "text_key": text_key, "text": text, "form": form, "sender": sender}
    given |= {"window_start": instant("start", start), "window_end": instant("end", end)}
    changes = {field: value for field, value in given.items() if value is not None}
    whom: dict[str, Any] = {"campaign_ids": campaigns, "areas": area or [], "second_copies": second_copies}
    whom |= {"causes": cause or [], "carriers": carrier or []}
    whom |= {"outcomes": outcome} if outcome else {}
    made = carried_out(operations.follow_up, {}, **whom | changes)
    while waiting := [each.batch_id for each in made.follow_up.batches if each.state == BatchState.IMPORTING]:
        if common.server is not None or not _made_here(waiting[0]):
            time.sleep(_EVERY_S)
        made = carried_out(operations.get_campaign, {"campaign_id": made.campaign.id})
    shares = {each.carrier: each.subscribers for each in made.follow_up.batches}
    people = ", ".join(f"{n} at {name}" for name, n in shares.items())
    wrong = [each.error for each in made.follow_up.batches if each.error]
    said = "\n".join([f"Campaign {made.campaign.id} is a draft for {people}.", *wrong])
    done(said, id=made.campaign.id, subscribers=shares)


def _made_here(batch_id: int) -> bool:
    """Make the audience of a follow-up's batch, unless another process has begun to."""
    from app.batches.follow_up_job import make_here  # what other commands of campaigns do without

    with open_db(working="Creating the audience") as (db, _):
        return make_here(db, batch_id)


@app.command()
def show(campaign_id: Number, as_json: Json = False) -> None:
    """Show one campaign: texts, runs, cost, advice, decisions and the digest that an approval signs."""
    found = carried_out(operations.get_campaign, {"campaign_id": campaign_id})
    forecasts = [carried_out(runs.get_forecast, {"run_id": run.id}) for run in found.runs]
    cost = {
        "subscribers": sum(each.subscribers for each in forecasts),
        "sms_parts": sum(each.segments for each in forecasts),
    }
    shown = to_jsonable_python(found)
    for language, advice in () if as_json else shown["advice"].items():
        shown["advice"][language] = [f"{kind} at character {at + 1}: {words}" for at, kind, words in advice]
    say({**shown, "cost": cost}, as_json)


@app.command()
def add_run(
    campaign_id: Number,
    carrier: Annotated[str, typer.Option(help="The carrier that sends.")],
    batch: Annotated[list[int], typer.Option(parser=whole, help="A batch of this carrier; repeat for more.")],
    confirmed: Annotated[
        bool,
        typer.Option("--acknowledge", help="Accept a batch with many bad lines or other carriers' numbers."),
    ] = False,
) -> None:
    """Add the campaign's run at one carrier."""
    said: dict[str, Any] = {"carrier": carrier, "batch_ids": batch, "acknowledged": confirmed}
    made = carried_out(operations.add_run, {"campaign_id": campaign_id}, **said).id
    done(f"Run {made}", id=made, campaign=campaign_id)


@app.command()
def add_held_run(
    campaign_id: Number,
    carrier: Annotated[str, typer.Option(help="The carrier that holds the subscribers and sends.")],
    estimated: Annotated[int, typer.Option(help="Estimated number of subscribers.")],
    area_basis: Annotated[Basis, typer.Option(help="How the carrier determines areas.")] = Basis.REGISTERED,
    area: Annotated[
        list[str] | None, typer.Option(help="An area code; repeat for more. Default: all areas.")
    ] = None,
) -> None:
    """Add the campaign's run at a carrier that sends to its own subscribers."""
    said: dict[str, Any] = {"carrier": carrier, "areas": area or [], "area_basis": area_basis}
    said["estimated"] = estimated
    made = carried_out(operations.add_held_run, {"campaign_id": campaign_id}, **said).id
    done(f"Run {made}", id=made, campaign=campaign_id)


@app.command()
def sign(
    campaign_id: Number, digest: Annotated[str, typer.Option(help="The digest in `loa campaign show`.")]
) -> None:
    """Sign an approval given before secret_key was set, after you have checked it."""
    with open_db() as (db, _):
        db.write(approval.sign, campaign_id, digest, whoami())
    done(f"The approval of campaign {campaign_id} was signed.", campaign=campaign_id, stamped=True)


add_operations(app, "campaign", runs, operations, downloads)

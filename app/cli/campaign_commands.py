"""`loa campaign`: from draft to approval."""

from __future__ import annotations

from typing import Annotated

import typer

from app.campaigns import approval, lifecycle, queries
from app.campaigns.carrier_audience import checked
from app.campaigns.drafts import DayHours, Draft, TextForm
from app.cli.common import open_db
from app.cli.current_user import decider
from app.cli.output import Json, Number, instant, listing, say, whoami, whole
from app.cli.remote import asked
from app.core.areas import Basis

app = typer.Typer(no_args_is_help=True, help="Campaigns: one text, one sender, one window.")

Reason = Annotated[str, typer.Option(help="Why; the author reads it.")]


@app.command()
def create(  # noqa: PLR0913 - every option of the command line is a parameter
    name: Annotated[str, typer.Argument(help="What people call it.")],
    sender: Annotated[str, typer.Option(help="The registered sender name.")],
    purpose: Annotated[str, typer.Option(help="tuyen_truyen or canh_bao_khan.")] = "tuyen_truyen",
    text_key: Annotated[str | None, typer.Option(help="A text of messages/.")] = None,
    text: Annotated[str | None, typer.Option(help="Or your own wording.")] = None,
    form: Annotated[TextForm, typer.Option(help="Which form goes out.")] = TextForm.UNACCENTED,
    directive: Annotated[int | None, typer.Option(parser=whole, help="The letter behind it.")] = None,
    start: Annotated[str | None, typer.Option(help="Not before, with a zone.")] = None,
    end: Annotated[str | None, typer.Option(help="Not after, with a zone.")] = None,
    day_starts: Annotated[str | None, typer.Option(help="Sending begins each day, HH:MM.")] = None,
    day_ends: Annotated[str | None, typer.Option(help="Sending ends each day, HH:MM.")] = None,
) -> None:
    """Make a draft."""
    draft = Draft(
        name=name,
        purpose=purpose,
        sender=sender,
        form=form,
        text_key=text_key,
        text=text,
        directive_id=directive,
        window_start=instant("start", start),
        window_end=instant("end", end),
        day_starts=day_starts,
        day_ends=day_ends,
    )
    with open_db(founds=True) as (db, settings):
        default = DayHours(settings.day_starts, settings.day_ends)
        typer.echo(f"Campaign {db.write(lifecycle.create, draft, default, whoami())}")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the campaigns."""
    found = asked(
        lambda api: list(api.campaigns()), lambda db: list(db.read(queries.campaigns_page, 0, 1000))
    )
    listing(found, ("id", "name", "purpose", "sender", "state", "window_start", "window_end"), as_json)


@app.command()
def show(campaign_id: Number, as_json: Json = False) -> None:
    """Show one campaign: texts, runs, decisions and the digest that an approval signs."""
    say(
        asked(lambda api: api.campaign(campaign_id), lambda db: db.read(queries.dossier, campaign_id)),
        as_json,
    )


@app.command()
def add_run(
    campaign_id: Number,
    carrier: Annotated[str, typer.Option(help="Through whom.")],
    batch: Annotated[list[int], typer.Option(parser=whole, help="A batch of this carrier; again for each.")],
) -> None:
    """Add the campaign's run at one carrier."""
    with open_db() as (db, _):
        typer.echo(f"Run {db.write(lifecycle.add_run, campaign_id, carrier, batch, whoami())}")


@app.command()
def add_held_run(
    campaign_id: Number,
    carrier: Annotated[str, typer.Option(help="Who holds the subscribers and sends.")],
    estimated: Annotated[int, typer.Option(help="Subscribers, roughly.")],
    area_basis: Annotated[Basis, typer.Option(help="How the carrier tells areas.")] = Basis.REGISTERED,
    area: Annotated[list[str] | None, typer.Option(help="A code; again for each; none: all.")] = None,
) -> None:
    """Add the campaign's run at a carrier that sends to its own subscribers."""
    audience = checked(tuple(area or ()), area_basis, estimated)
    with open_db() as (db, _):
        typer.echo(f"Run {db.write(lifecycle.add_held_run, campaign_id, carrier, audience, whoami())}")


@app.command()
def submit(campaign_id: Number) -> None:
    """Hand the draft over for approval."""
    with open_db() as (db, _):
        db.write(lifecycle.submit, campaign_id, whoami())
    typer.echo(f"Campaign {campaign_id} is submitted.")


@app.command()
def approve(
    campaign_id: Number,
    digest: Annotated[str, typer.Option(help="As `loa campaign show` gave it.")],
    reason: Annotated[str | None, typer.Option(help="Why it may go out at night, where it may.")] = None,
) -> None:
    """Approve exactly what was submitted; not by whoever wrote, changed or submitted it."""
    with open_db() as (db, _):
        who = db.read(decider, "approve_campaign")
        db.write(approval.approve, campaign_id, who, digest, reason)
    typer.echo(f"Campaign {campaign_id} is approved.")


@app.command()
def sign(
    campaign_id: Number, digest: Annotated[str, typer.Option(help="As `loa campaign show` gives it.")]
) -> None:
    """Sign an approval from before secret_key was set, after you have read it again."""
    with open_db() as (db, _):
        db.write(approval.sign, campaign_id, digest, whoami())
    typer.echo(f"The approval of campaign {campaign_id} is stamped.")


@app.command()
def reject(campaign_id: Number, reason: Reason) -> None:
    """Refuse what was submitted."""
    with open_db() as (db, _):
        db.write(approval.reject, campaign_id, db.read(decider, "reject_campaign"), reason)
    typer.echo(f"Campaign {campaign_id} is rejected.")


@app.command("return")
def return_(campaign_id: Number, reason: Reason) -> None:
    """Send what was submitted back to its author, as a draft."""
    with open_db() as (db, _):
        db.write(approval.send_back, campaign_id, db.read(decider, "return_campaign"), reason)
    typer.echo(f"Campaign {campaign_id} is a draft again.")

"""`loa directive`: the official letters behind campaigns."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from app.api.bodies import Receiver, checked, filled
from app.campaigns import directives
from app.campaigns.schemas import DeadlineBody, DirectiveBody
from app.cli.output import Json, Number, alarm, counted, day, done, instant, listing, say, whoami, whole
from app.cli.remote import asked
from app.core import clock
from app.core.errors import Invalid
from app.core.masking import escaped
from app.directives.status import status as status_of
from app.notifications import outbox
from app.reports.build import unique_reach

app = typer.Typer(no_args_is_help=True, help="The official letters that the work is based on.")


@app.command()
def create(
    number: Annotated[str, typer.Argument(help="As on the document, for example 303/CAT-PA05.")],
    issued_on: Annotated[str, typer.Option(help="Its date, for example 2024-01-29.")],
    issuer: Annotated[str, typer.Option(help="Who issued it.")],
    subject: Annotated[str, typer.Option(help="What it is about.")],
    report_deadline: Annotated[
        str | None, typer.Option(help="When reports are due, with a time zone.")
    ] = None,
    to: Annotated[list[str] | None, typer.Option(help="An addressee; repeat for more.")] = None,
    legal_basis: Annotated[
        str, typer.Option(help=("The documents it is based on, for example a provincial plan."))
    ] = "",
    contact: Annotated[str, typer.Option(help="Contact for addressees, included in reminders.")] = "",
) -> None:
    """Store a directive."""
    said = {
        "number": number,
        "issued_on": day("issued-on", issued_on),
        "issuer": issuer,
        "subject": subject,
        "report_deadline": instant("report-deadline", report_deadline),
        "addressees": to or [],
        "legal_basis": legal_basis,
        "contact": contact,
    }
    letter = filled(DirectiveBody, said).letter()
    made = asked(
        lambda api: api.create_directive(**asdict(letter)).id,
        lambda db: db.write(directives.create, letter, whoami()),
        looks=False,
        founds=True,
    )
    done(f"Directive {made}", directive=made)


@app.command()
def deadline(
    directive_id: Number,
    until: Annotated[str, typer.Argument(help="The new deadline, with a time zone; or none.")],
    reason: Annotated[str, typer.Option(help="The reason, stored in the directive's history.")],
) -> None:
    """Change the report deadline. The previous one stays in the history and in reports up to then."""
    at = None if until == "none" else instant("UNTIL", until)
    reason = filled(DeadlineBody, {"report_deadline": at, "reason": reason}).reason
    asked(
        lambda api: api.put_off_deadline(directive_id, report_deadline=at, reason=reason),
        lambda db: db.write(directives.put_off, directive_id, at, reason, whoami()),
        looks=False,
    )
    done(
        f"Reports under directive {directive_id} are due {until}.", directive=directive_id, report_deadline=at
    )


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the directives."""
    found = asked(
        lambda api: list(api.list_directives(limit=1000)),
        lambda db: db.read(directives.listed, 0, 1000).items,
    )
    listing(found, ("id", "number", "issued_on", "issuer", "report_deadline"), as_json)


@app.command()
def show(directive_id: Number, as_json: Json = False) -> None:
    """Show one directive."""
    found = asked(
        lambda api: api.get_directive(directive_id), lambda db: db.read(directives.get, directive_id)
    )
    say(found, as_json)


@app.command()
def status(directive_id: Number, as_json: Json = False) -> None:
    """Show a directive's status: time left, every run against the deadline, and missing reports."""
    found = asked(
        lambda api: api.get_status(directive_id), lambda db: db.read(status_of, directive_id, clock.now())
    )
    if as_json:
        say(found, as_json)
        return
    number = escaped(found.number)
    typer.echo(f"{number}: {found.countdown}; {found.reported}/{found.asked} đơn vị đã báo cáo.")
    listing(found.runs, ("run_id", "carrier", "state", "basis", "done_at", "in_time"), as_json)
    for run in found.runs:
        for warning in run.warnings:
            typer.echo(alarm(escaped(f"! run {run.run_id} ({run.carrier}): {warning}")))
    for each in found.missing:
        typer.echo(escaped(f"- {each.who}: {each.what}{' (quá hạn)' if each.late else ''}"))


@app.command()
def reach(directive_id: Number, as_json: Json = False) -> None:
    """Show how many subscribers the campaigns under a directive reached at least once, each counted once."""
    found = asked(
        lambda api: api.get_reach(directive_id), lambda db: db.read(unique_reach.present, directive_id)
    )
    if as_json:
        say(found, as_json)
        return
    addressed = sum(each.figures.eligible for each in found.subscribers or ())
    of = "" if found.subscribers is None else f"/{addressed}"
    typer.echo(f"{found.persons}{of} thuê bao đã nhận ít nhất một lần.")
    listing(found.by_campaign, ("campaign_id", "name", "first", "repeated"), as_json)
    listing(found.by_carrier, ("carrier", "persons"), as_json)
    listing(found.by_area, ("code", "name", "persons"), as_json)


@app.command()
def replay(
    notice_id: Annotated[
        int | None, typer.Argument(parser=whole, help="The number in `loa directive notices`.")
    ] = None,
    failed_to: Annotated[
        str | None, typer.Option(help=("Resend all failed notices to this endpoint or e-mail address."))
    ] = None,
) -> None:
    """Send a reminder or an event again with the same id, so that its receiver recognises it."""
    if (notice_id is None) == (failed_to is None):
        raise Invalid("Name either one notice, by its number in `loa directive notices`, or --failed-to.")
    if notice_id is not None:
        number = notice_id
        asked(
            lambda api: api.replay_notice(number),
            lambda db: db.write(outbox.replay, number, whoami()),
            looks=False,
        )
        done(f"Notice {notice_id} will be sent again.", notices=1)
        return
    target = checked(Receiver, "failed_to", failed_to)
    count = asked(
        lambda api: api.replay_failed_notices(target=target).notices,
        lambda db: db.write(outbox.replay_failed, target, whoami()),
        looks=False,
    )
    done(f"{counted(count, 'notice', 'notices')} to {target} will be sent again.", notices=count)


@app.command()
def notices(as_json: Json = False) -> None:
    """Show the reminders: sent, waiting, or failed with the reason."""
    found = asked(
        lambda api: list(api.list_notices(limit=1000)), lambda db: db.read(outbox.listed, 0, 1000).items
    )
    listing(found, ("id", "kind", "channel", "target", "state", "tries", "sent_at", "error"), as_json)

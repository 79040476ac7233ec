"""`loa directive`: the official letters behind campaigns."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.campaigns import operations
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Json, Number, alarm, counted, day, done, instant, listing, say, whole
from app.core.errors import Invalid
from app.core.masking import escaped
from app.directives import notices
from app.directives import status as deadlines

app = typer.Typer(no_args_is_help=True, help="The official letters that the work is based on.")


@app.command()
def create(
    number: Annotated[str, typer.Argument(help="As on the document, for example 303/CAT-PA05.")],
    issued_on: Annotated[str, typer.Option(help="Its date, for example 2024-01-29.")],
    issuer: Annotated[str, typer.Option(help="Who issued it.")],
    subject: Annotated[str, typer.Option(help="The subject.")],
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
    made = carried_out(operations.create_directive, {}, opens={"founds": True}, **said).id
    done(f"Directive {made}", id=made)


@app.command()
def deadline(
    directive_id: Number,
    until: Annotated[str, typer.Argument(help="The new deadline, with a time zone; or none.")],
    reason: Annotated[str, typer.Option(help="The reason, stored in the directive's history.")],
) -> None:
    """Change the report deadline. The previous one stays in the history and in earlier reports."""
    at = None if until == "none" else instant("UNTIL", until)
    carried_out(
        operations.put_off_deadline, {"directive_id": directive_id}, report_deadline=at, reason=reason
    )
    done(
        f"Reports under directive {directive_id} are due {until}.", directive=directive_id, report_deadline=at
    )


@app.command()
def status(directive_id: Number, as_json: Json = False) -> None:
    """Show a directive's status: time left, every run against the deadline, and missing reports."""
    found = carried_out(deadlines.get_status, {"directive_id": directive_id})
    if as_json:
        say(found, as_json)
        return
    number = escaped(found.number)
    reported = f"; {found.reported}/{found.asked} đơn vị đã báo cáo" if found.asked else ""
    typer.echo(f"{number}: {found.countdown}{reported}.")
    listing(found.runs, ("run_id", "carrier", "state", "basis", "done_at", "in_time"), as_json)
    for run in found.runs:
        for warning in run.warnings:
            typer.echo(alarm(escaped(f"! run {run.run_id} ({run.carrier}): {warning}")))
    if found.ready is not None:
        typer.echo(_READY[str(found.ready)])
    for need in found.registrations:
        line = escaped(f"- {need.carrier}: {need.what} ({need.campaign}); {_by_when(need)}")
        typer.echo(alarm(line) if need.late else line)
    for each in found.missing:
        typer.echo(escaped(f"- {each.who}: {each.what}{' (quá hạn)' if each.late else ''}"))


_READY = {
    "yes": "Gửi đúng ngày: được.",
    "missing": "Gửi đúng ngày: được, nếu kịp có đủ những mục sau:",
    "unknown": "Gửi đúng ngày: CHƯA RÕ, chỉ kịp nếu nhà mạng đã đăng ký trước những mục sau:",
    "no": "Gửi đúng ngày: KHÔNG kịp, vì:",
}


def _by_when(need: Any) -> str:
    """Say by when a registration must be asked for, or when it should be there."""
    lead = f"thường mất {need.lead_days} ngày"
    if need.expected_on is not None:
        return f"{lead}, dự kiến có ngày {need.expected_on:%d/%m/%Y}{' (muộn)' if need.late else ''}"
    if need.ask_by is None:
        return lead
    return f"{lead}, đề nghị chậm nhất ngày {need.ask_by:%d/%m/%Y}{' (đã qua)' if need.late else ''}"


@app.command()
def reach(directive_id: Number, as_json: Json = False) -> None:
    """Show how many subscribers the campaigns under a directive reached at least once, each counted once."""
    from app.reports import operations as reports  # slow to import

    found = carried_out(reports.get_reach, {"directive_id": directive_id})
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
    """Send a reminder or an event again with the same id, so that the receiver recognises it."""
    if (notice_id is None) == (failed_to is None):
        raise Invalid("Name either one notice, by its number in `loa directive notices`, or --failed-to.")
    if notice_id is not None:
        carried_out(notices.replay_notice, {"notice_id": notice_id})
        done(f"Notice {notice_id} will be sent again.", notices=1)
        return
    count = carried_out(notices.replay_failed_notices, {}, target=failed_to).notices
    done(f"{counted(count, 'notice', 'notices')} to {failed_to} will be sent again.", notices=count)


add_operations(app, "directive", operations, notices)

"""The status of a directive: time left, every run's forecast against it, and what is missing from whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from app.campaigns import directives, forecast
from app.campaigns.directives import Directive
from app.campaigns.forecast import Forecast
from app.core import clock
from app.core.ids import Number
from app.core.states import NotSent, RunState
from app.database.models import audiences, campaigns, runs
from app.ledger import tallies
from app.ledger.contract import EVER
from app.operations import Transaction, operation
from app.reports.counting.scope import counted
from app.reports.figures import addressees, carrier_statement
from app.reports.figures.addressees import Addressee, AddresseeKind, AddresseeStatus, ChannelTotal, is_late
from app.reports.figures.carrier_statement import FigureSource, Statement
from app.security.roles import OFFICE
from app.sender_names import lead_time
from app.sender_names.lead_time import Need, Ready
from carriers.phrases import Phrase

TAG = "deadline"

_UNDER_WAY = (RunState.RUNNING, RunState.PAUSED, RunState.CANCELLING)
_ENDED = (RunState.SENT, RunState.FINISHED)
_WAITING = (RunState.PLANNED, RunState.PAUSED)  # until a person starts or resumes it: nobody has said when
_OURS = (FigureSource.MEASURED, None)  # not the carrier's figures, which say themselves what was sent


@dataclass(frozen=True, slots=True)
class RunDeadlineStatus:
    """One carrier's share. basis: which figures count for it, None while there are none.

    done_at: when it ended, or will by the forecast; in_time: whether that, and a held run's figures, keep the
    deadline; False where its time ended before all was sent, or nothing was handed over. None without a
    deadline or a forecast, while somebody is to start or resume it, while a held run still may keep it, where
    no message is known to have arrived, and for a cancelled run. missing: what is still to come, in
    Vietnamese.
    """

    run_id: int
    campaign_id: int
    campaign: str
    carrier: str
    state: RunState
    basis: FigureSource | None
    stated_version: int | None
    reported_at: datetime | None
    done_at: datetime | None
    in_time: bool | None
    missing: str | None
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class Missing:
    """Something still to come: from whom, and what, in Vietnamese; late: the deadline has passed.

    run_id: of which run, None where it is of no run.
    """

    who: str
    what: str
    late: bool
    email: str | None
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """A directive against its deadline. seconds_left: negative once it is over; None without a deadline.

    asked, reported, late: addressees that report by themselves; carriers answer by their runs, so what they
    owe stands in `missing` alone. registrations: what campaigns still need of the register of sender
    names; ready: whether they can go out on their day: yes, missing (it can still be had in time), unknown
    (only if the carrier has registered it already), or no; null where no run is still to be started.
    """

    directive_id: int
    number: str
    report_deadline: datetime | None
    seconds_left: int | None
    countdown: str
    asked: int
    reported: int
    late: int
    runs: list[RunDeadlineStatus]
    channels: list[ChannelTotal]
    missing: list[Missing]
    registrations: list[Need]
    ready: Ready | None


def status(connection: Connection, directive_id: int, now: datetime) -> Status:
    """Return the directive's status at `now` (aware). Raises NotFound."""
    letter = directives.get(connection, directive_id)
    now_ms = clock.to_ms(now)
    statuses = addressees.addressee_statuses(connection, directive_id, now_ms)
    run_statuses = list(_runs(connection, letter, now))
    left = None if letter.report_deadline is None else letter.report_deadline - now
    due = None if letter.report_deadline is None else clock.to_ms(letter.report_deadline)
    needed, ready = lead_time.outlook(connection, directive_id, due)
    return Status(
        directive_id=directive_id,
        number=letter.number,
        report_deadline=letter.report_deadline,
        seconds_left=None if left is None else int(left.total_seconds()),
        countdown=countdown(letter.report_deadline, now),
        asked=len(statuses),
        reported=sum(each.report is not None for each in statuses),
        late=sum(each.late for each in statuses),
        runs=run_statuses,
        channels=addressees.totals(statuses),
        missing=_missing(connection, letter, statuses, run_statuses, now),
        registrations=needed,
        ready=ready,
    )


@operation("GET /v1/directives/{directive_id}/status", roles=OFFICE)
def get_status(tx: Transaction, directive_id: Number) -> Status:
    """Get the time left, every run against the deadline, who has reported, and what is missing from whom."""
    return status(tx.connection, directive_id, clock.now())


def days_left(deadline: datetime, now: datetime) -> int:
    """Return the days of the calendar in Vietnam until the deadline; negative after it."""
    return (clock.local(deadline).date() - clock.local(now).date()).days


def countdown(deadline: datetime | None, now: datetime) -> str:
    """Return the time left, in Vietnamese: days of the calendar, or hours and minutes within a day."""
    if deadline is None:
        return "không có hạn báo cáo"
    left = deadline - now
    minutes = abs(int(left.total_seconds())) // 60
    days = f"{abs(days_left(deadline, now))} ngày"
    size = days if minutes >= 1440 else f"{minutes // 60} giờ {minutes % 60} phút"
    return f"còn {size}" if left.total_seconds() >= 0 else f"đã quá hạn {size}"


# ---- Runs


def _runs(connection: Connection, letter: Directive, now: datetime) -> Iterator[RunDeadlineStatus]:
    query = (
        select(runs, campaigns.c.name, campaigns.c.window_end, audiences.c.run_id.label("held"))
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .outerjoin(audiences, audiences.c.run_id == runs.c.id)
        .where(campaigns.c.directive_id == letter.id, counted(EVER))
        .order_by(runs.c.campaign_id, runs.c.id)
    )
    rows = connection.execute(query).all()
    over = [row for row in rows if row.state in _ENDED and row.held is None]
    cut_off = tallies.cut_off(connection, [row.id for row in over if row.closing == NotSent.WINDOW_CLOSED])
    handed = tallies.none_sent(connection, [row.id for row in over if row.id not in cut_off])
    last = carrier_statement.of_runs(connection, [row.id for row in rows])
    ends = {row.id: _ended(row, last.get(row.id)) for row in rows}
    use = None if all(ends.values()) else forecast.link_use(connection, now)
    for row in rows:
        looked = None if ends[row.id] else forecast.forecast(connection, row.id, now, use=use)
        found = _run(row, last.get(row.id), looked, letter.report_deadline, now)
        why = _unsent(row, cut_off.get(row.id, 0), row.id in handed, clock.to_ms(now))
        yield _less(found, why, handed.get(row.id, 0))


def _unsent(row: Row[Any], cut_off: int, nothing: bool, now_ms: int) -> str | None:
    """Say why a run that is not going on was not sent by the deadline, whenever it ended; None if it was."""
    if row.state == RunState.PLANNED and row.window_end is not None and row.window_end <= now_ms:
        return "The sending window ended before anyone started it. Create another campaign to send it."
    if cut_off:
        return Phrase(
            "The sending window ended before the messages to {cut_off} subscribers were sent. Use a "
            "follow-up to reach them.",
            cut_off=cut_off,
        )
    if nothing:
        return "No message is confirmed as delivered. Use a follow-up to reach those who got none."
    return None


def _less(run: RunDeadlineStatus, unsent: str | None, handed: int) -> RunDeadlineStatus:
    """Judge as the consolidated report does (`RunLine.sent_in_time`).

    handed: messages that the carrier was given, if none of them is known to have arrived.
    """
    if run.state is RunState.CANCELLED:
        return replace(run, in_time=None)
    if unsent is not None and run.basis in _OURS:
        in_time = None if run.in_time is None or handed else False
        return replace(run, in_time=in_time, warnings=[*run.warnings, unsent])
    waits = run.in_time and run.state in _WAITING and run.basis is FigureSource.MEASURED
    return replace(run, in_time=None) if waits else run


def _ended(row: Row[Any], last: Statement | None) -> int | None:
    ended: int | None = row.ended_at
    return ended if row.held is None else carrier_statement.ended_ms(last, ended)


def _run(
    row: Row[Any], last: Statement | None, looked: Forecast | None, deadline: datetime | None, now: datetime
) -> RunDeadlineStatus:
    held, ended = row.held is not None, _ended(row, last)
    done = looked.finishes_at if looked else clock.moment(ended)
    reported = clock.moment(last.first_ms) if last else None
    return RunDeadlineStatus(
        run_id=row.id,
        campaign_id=row.campaign_id,
        campaign=row.name,
        carrier=row.carrier,
        state=RunState(row.state),
        basis=carrier_statement.basis(held, last),
        stated_version=last.paper.version if last else None,
        reported_at=reported,
        done_at=done,
        in_time=_held_in_time(row, last, ended, deadline, now) if held else _in_time(done, deadline, now),
        missing=_lacking(row, held, last, done),
        warnings=looked.warnings if looked else [],
    )


def _in_time(done: datetime | None, deadline: datetime | None, now: datetime) -> bool | None:
    due, end = (None if at is None else clock.to_ms(at) for at in (deadline, done))
    return carrier_statement.by_deadline(end, due, clock.to_ms(now))


def _held_in_time(
    row: Row[Any], last: Statement | None, ended: int | None, deadline: datetime | None, now: datetime
) -> bool | None:
    due = None if deadline is None else clock.to_ms(deadline)
    first = None if last is None else last.first_ms
    return carrier_statement.held_in_time(ended, first, due, clock.to_ms(now), row.window_end)


def _lacking(row: Row[Any], held: bool, last: Statement | None, done: datetime | None) -> str | None:
    state = RunState(row.state)
    if held and last is not None:
        return None
    if state is RunState.PLANNED:
        return "chưa bắt đầu gửi"
    if state in _UNDER_WAY:
        until = f", dự kiến xong {_moment(done)}" if done else ""
        sends = "tạm dừng gửi" if state is RunState.PAUSED else f"đang gửi{until}"
        return sends + ("; doanh nghiệp chưa báo kết thúc" if held else "")
    return "đã gửi, doanh nghiệp chưa báo số liệu" if held else None


def _moment(at: datetime) -> str:
    return clock.local(at).strftime("%H:%M %d/%m/%Y")


# ---- What is missing


def _missing(
    connection: Connection,
    letter: Directive,
    statuses: Sequence[AddresseeStatus],
    runs: Sequence[RunDeadlineStatus],
    now: datetime,
) -> list[Missing]:
    deadline = None if letter.report_deadline is None else clock.to_ms(letter.report_deadline)
    late = is_late(None, deadline, clock.to_ms(now))
    every = addressees.of_directive(connection, letter.id)
    carriers = [each for each in every if each.kind is AddresseeKind.CARRIER]  # one may have several names
    missing: list[Missing] = []
    for run in runs:
        named: list[Addressee | None] = [each for each in carriers if each.carrier == run.carrier]
        missing += [_of_run(run, of, late) for of in named or [None]] if run.missing else []
    with_runs = {run.carrier for run in runs}
    missing += [
        Missing(each.name, "chưa có đợt gửi nào được duyệt", late, each.email)
        for each in carriers
        if each.carrier not in with_runs
    ]
    missing += [
        Missing(each.addressee.name, "chưa báo cáo", late, each.addressee.email)
        for each in statuses
        if each.report is None
    ]
    return missing


def _of_run(run: RunDeadlineStatus, addressee: Addressee | None, late: bool) -> Missing:
    what = f"{run.campaign} (đợt {run.run_id}): {run.missing}"
    who, email = (addressee.name, addressee.email) if addressee else (run.carrier, None)
    return Missing(who, what, late, email, run.run_id)

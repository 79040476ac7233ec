"""Directives: list with time left, one directive with its campaigns and addressees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, select

from app.campaigns import directives
from app.campaigns.directives import Directive
from app.core import clock
from app.core.errors import NotFound
from app.core.states import CampaignState, DeliveryState
from app.database.listing import ListPart, ListRequest, counted
from app.database.models import addressees as registered
from app.database.models import campaigns, outreach, tallies
from app.directives import status
from app.directives.status import RunDeadlineStatus, Status
from app.reports.figures import addressees
from app.reports.figures.addressees import Addressee, AddresseeKind, AddresseeStatus, Outreach
from app.security.tenant_scope import own_campaigns

ON_A_PAGE, NEWEST = 30, 5


@dataclass(frozen=True, slots=True)
class DirectiveRow:
    """A row of the list; left: negative once overdue; reported: addressees that have reported."""

    id: int
    number: str
    issuer: str
    subject: str
    deadline: datetime | None
    left: timedelta | None
    addressees: int
    reported: int


@dataclass(frozen=True, slots=True)
class CampaignRound:
    """One campaign under a directive. reached: persons whose telephone it is proved to have reached."""

    id: int
    name: str
    state: CampaignState
    window_start: datetime | None
    window_end: datetime | None
    reached: int


@dataclass(frozen=True, slots=True)
class DirectivePage:
    """One directive. status, statuses: for the office only.

    rounds: its newest campaigns in order of time; under: how many there are, listing.COUNTED + 1 for more.
    """

    directive: Directive
    left: timedelta | None
    status: Status | None
    statuses: Sequence[AddresseeStatus]
    rounds: Sequence[CampaignRound]
    under: int

    @property
    def pressing(self) -> Sequence[RunDeadlineStatus]:
        """The runs, late ones first, then those whose end nobody knows yet."""
        runs = self.status.runs if self.status else []
        return sorted(runs, key=lambda each: (each.in_time is not False, each.in_time is not None))

    def received_at(self, of: AddresseeStatus) -> datetime | None:
        return None if of.first_ms is None else clock.from_ms(of.first_ms)


@dataclass(frozen=True, slots=True)
class ReportForm:
    """Whose report is entered, and the version before."""

    directive: Directive
    addressee: Addressee
    last: Outreach | None


def listing(
    connection: Connection, asked_of: ListRequest, limit: int, operator: str | None
) -> ListPart[DirectiveRow]:
    """List directives; an operator sees those behind its carrier's runs."""
    found = directives.listed(connection, asked_of, limit, operator)
    ids = [letter.id for letter in found.items]
    asked = _asked(connection, ids) if operator is None else {}
    reported = _reported(connection, ids) if operator is None else {}

    def shown(letter: directives.Directive) -> DirectiveRow:
        due, counts = letter.report_deadline, (asked.get(letter.id, 0), reported.get(letter.id, 0))
        return DirectiveRow(letter.id, letter.number, letter.issuer, letter.subject, due, _left(due), *counts)

    return found.of(shown)


def directive_page(
    connection: Connection, directive_id: int, office: bool, operator: str | None
) -> DirectivePage:
    found, now = directives.get(connection, directive_id), clock.now()
    query = select(campaigns).order_by(campaigns.c.id.desc())
    query = query.where(campaigns.c.directive_id == directive_id)
    query = query if operator is None else query.where(own_campaigns(operator))
    return DirectivePage(
        directive=found,
        left=_left(found.report_deadline),
        status=status.status(connection, directive_id, now) if office else None,
        statuses=addressees.addressee_statuses(connection, directive_id, clock.to_ms(now)) if office else (),
        rounds=_rounds(connection, query),
        under=counted(connection, query),
    )


def _rounds(connection: Connection, query: Select[Any]) -> list[CampaignRound]:
    """Return the newest campaigns, the one that sends first at the top; one without a window is last."""
    t, rows = tallies.c, connection.execute(query.limit(NEWEST)).all()
    own = (t.campaign_id.in_([row.id for row in rows]), t.state == DeliveryState.DELIVERED)
    counts = connection.execute(select(t.campaign_id, func.sum(t.n)).where(*own).group_by(t.campaign_id))
    reached = {campaign_id: int(n) for campaign_id, n in counts}
    return [
        CampaignRound(
            row.id,
            row.name,
            CampaignState(row.state),
            None if row.window_start is None else clock.from_ms(row.window_start),
            None if row.window_end is None else clock.from_ms(row.window_end),
            reached.get(row.id, 0),
        )
        for row in sorted(rows, key=lambda row: (row.window_start is None, row.window_start, row.id))
    ]


def report_form(connection: Connection, directive_id: int, name: str) -> ReportForm:
    """Return the addressee of that name and its last report; raises NotFound."""
    found = directives.get(connection, directive_id)
    asked = addressees.of_directive(connection, directive_id)
    of = next((each for each in asked if each.name == name), None)
    if of is None or of.kind is AddresseeKind.CARRIER:
        raise NotFound(
            "The directive has no such addressee that reports here; carriers report by their runs."
        )
    versions = addressees.reports(connection, directive_id).get(of.id or 0, [])
    return ReportForm(found, of, versions[-1] if versions else None)


def _asked(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """Count those who are to report here; carriers report by their runs."""
    c = registered.c
    query = select(c.directive_id, func.count()).where(c.directive_id.in_(ids))
    query = query.where(c.kind != AddresseeKind.CARRIER)
    return {row[0]: row[1] for row in connection.execute(query.group_by(c.directive_id))}


def _reported(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    c = registered.c
    query = (
        select(c.directive_id, func.count(c.id.distinct()))
        .join(outreach, outreach.c.addressee_id == c.id)
        .where(c.directive_id.in_(ids))
        .group_by(c.directive_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _left(due: datetime | None) -> timedelta | None:
    return None if due is None else due - clock.now()

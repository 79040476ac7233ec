"""What must still be had from carriers before the campaigns under a directive can begin, and by when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select

from app.core import clock
from app.core.phone import network
from app.core.states import CampaignState, RunState
from app.database.models import campaigns, runs
from app.sender_names import checks, register
from app.sender_names.checks import Finding, FindingKind
from app.sender_names.register import NameState, SenderName

_AHEAD = (CampaignState.DRAFT, CampaignState.SUBMITTED, CampaignState.APPROVED)
# In Vietnamese, as all that is missing under a directive.
_WHAT = {
    FindingKind.EMPTY: "hỏi nhà mạng về tên {sender} và nhập vào sổ",
    FindingKind.NAME: "đăng ký tên {sender}",
    FindingKind.PERIOD: "gia hạn tên {sender}",
    FindingKind.TEMPLATE: "đăng ký mẫu tin của {sender}",
    FindingKind.TEMPLATE_CODE: "mã mẫu tin của {sender}",
}
_OF_TEXT = "sửa nội dung: nhà mạng từ chối nội dung này"


class Ready(StrEnum):
    """Whether the campaigns can go out on the day."""

    YES = "yes"
    MISSING = "missing"  # what is missing can still be had in time
    UNKNOWN = "unknown"  # only if the carrier has registered already what the register does not have
    NO = "no"


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a campaign still needs from a carrier; `what` in Vietnamese.

    begins_on: when it is to begin, or must have at the latest; ask_by: the last day to ask for it, None once
    asked for; expected_on: when it should be there, counted from asked_on. late: it can't be there in time.
    kind: of what the register says against it; sender: the sender name of the campaign.
    """

    campaign_id: int
    campaign: str
    carrier: str
    what: str
    lead_days: int
    asked_on: date | None
    ask_by: date | None
    expected_on: date | None
    begins_on: date | None
    late: bool
    kind: FindingKind
    sender: str


def outlook(
    connection: Connection, directive_id: int, deadline_ms: int | None
) -> tuple[list[Need], Ready | None]:
    """Return what campaigns under a directive still need, the most urgent first, and whether all can go out.

    None where no run is still to be started.
    """
    query = select(campaigns).where(
        campaigns.c.directive_id == directive_id, campaigns.c.state.in_([str(state) for state in _AHEAD])
    )
    planned: dict[int, set[str]] = {}
    own = select(runs.c.campaign_id, runs.c.carrier).where(runs.c.state == RunState.PLANNED.value)
    ahead = connection.execute(query.order_by(campaigns.c.id)).all()
    for row in connection.execute(own.where(runs.c.campaign_id.in_([each.id for each in ahead]))):
        planned.setdefault(row.campaign_id, set()).add(row.carrier)
    found = [
        need
        for campaign in ahead
        if campaign.id in planned
        for need in _of_campaign(connection, campaign, planned[campaign.id], deadline_ms)
    ]
    found.sort(key=lambda item: (not item.late, item.ask_by or item.expected_on or date.max))
    if any(each.late for each in found):
        return found, Ready.NO
    today = clock.local(clock.now()).date()
    if any(each.ask_by is not None and each.ask_by < today for each in found):
        return found, Ready.UNKNOWN
    return found, Ready.MISSING if found else Ready.YES if planned else None


def _of_campaign(
    connection: Connection, campaign: Row[Any], planned: set[str], deadline_ms: int | None
) -> Iterator[Need]:
    for each in checks.of_campaign(connection, campaign, planned):
        if each.stands or each.kind is FindingKind.EMPTY:
            yield _need(connection, campaign, each, _begins_on(campaign, deadline_ms))


def _begins_on(campaign: Row[Any], deadline_ms: int | None) -> date | None:
    """Return the day on which its window opens, or on which it ends, or reports are due, if it is open."""
    now = clock.now_ms()
    begins = campaign.window_start if (campaign.window_start or 0) > now else None
    ms = begins or campaign.window_end or deadline_ms
    return None if ms is None else clock.moment(ms).date()


def _need(connection: Connection, campaign: Row[Any], finding: Finding, begins_on: date | None) -> Need:
    today, carrier = clock.local(clock.now()).date(), finding.carrier
    what = _WHAT.get(finding.kind, _OF_TEXT).format(sender=campaign.sender)
    lead = register.rules(connection, carrier).lead_days if finding.kind in _WHAT else 0
    asked = _asked_on(connection, campaign, finding)
    expected = None if asked is None else max(asked + timedelta(days=lead), today)
    ask_by = None if asked is not None or begins_on is None else begins_on - timedelta(days=lead)
    # What the register does not know may be registered all the same.
    late = ask_by is not None and ask_by < today and finding.kind is not FindingKind.EMPTY
    if expected is not None and begins_on is not None:
        late = expected > begins_on
    return Need(
        campaign.id,
        campaign.name,
        network(carrier),
        what,
        lead,
        asked,
        ask_by,
        expected,
        begins_on,
        late,
        finding.kind,
        campaign.sender,
    )


def _asked_on(connection: Connection, campaign: Row[Any], finding: Finding) -> date | None:
    """Return when what the finding is about was asked for, if it was: by its entry, or by another one."""
    waiting = [
        entry
        for entry in register.names(connection, finding.carrier)
        if entry.state is NameState.ASKED
        and entry.name.casefold() == campaign.sender.casefold()
        and entry.covers(campaign.purpose)
        and _would_help(entry, finding, campaign.texts.values())
    ]
    return max((entry.asked_on for entry in waiting if entry.asked_on), default=None)


def _would_help(entry: SenderName, finding: Finding, texts: Iterable[str]) -> bool:
    """Return whether the finding is over once this entry is registered."""
    if finding.kind in (FindingKind.TEMPLATE, FindingKind.TEMPLATE_CODE):
        return entry.template is not None and any(checks.fits(entry, text) for text in texts)
    return finding.kind in _WHAT and (entry.template is None or entry.id == finding.entry)

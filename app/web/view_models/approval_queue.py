"""Campaigns waiting for a decision, and everything that their approver must see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from app.campaigns import approval, optimistic_lock, queries
from app.campaigns import text_cost as wordings
from app.campaigns.drafts import breaks_quiet_hours
from app.campaigns.queries import Decision, Dossier
from app.campaigns.text_cost import Preview
from app.core import clock
from app.core.errors import Forbidden
from app.core.states import CampaignState
from app.database.models import audit, batches, campaigns, directives
from app.ledger import approval_digest
from app.security.principal import Caller, base_name
from app.web.translations import Said, say
from app.web.view_models.estimate import Hint, hints
from carriers.text import nfc

MANY = 100
MOST_CHANGES = 50
ACTS: dict[str, Said] = {
    "campaign.edit": say("changed the content"),
    "campaign.submit": say("submitted it"),
    "run.add": say("added a run"),
    "run.remove": say("removed a run"),
}


@dataclass(frozen=True, slots=True)
class CampaignToApprove:
    """A submitted campaign; own: the reader took part in it."""

    id: int
    name: str
    submitted_by: str
    own: bool


@dataclass(frozen=True, slots=True)
class CampaignChange:
    """A change of the campaign since its last decision."""

    at: datetime
    who: str
    said: Said
    carrier: str | None


@dataclass(frozen=True, slots=True)
class ApprovalText:
    """A text as sent ("" for all languages) with hints for the approver."""

    language: str
    shown: Preview
    hints: Sequence[Hint]


@dataclass(frozen=True, slots=True)
class BatchView:
    id: int
    name: str
    carrier: str
    accepted: int
    sha256: str
    other_range: int


@dataclass(frozen=True, slots=True)
class Case:
    """One campaign before its decision. barred: why this reader may not decide; night: a reason is needed.

    last: the decision before; same: the content is unchanged since; changes: since then.
    """

    dossier: Dossier
    letter: str | None
    wordings: Sequence[ApprovalText]
    files: Sequence[BatchView]
    barred: Forbidden | None
    night: bool
    last: Decision | None
    same: bool
    changes: Sequence[CampaignChange]

    @property
    def people(self) -> int:
        return sum(run.audience.estimated if run.audience else run.subscribers for run in self.dossier.runs)

    @property
    def grave(self) -> bool:
        return any(hint.grave for each in self.wordings for hint in each.hints)


def waiting(connection: Connection, who: str) -> list[CampaignToApprove]:
    c, own = campaigns.c, base_name(who)
    query = select(c.id, c.name, c.created_by, c.editors, c.submitted_by).order_by(c.id).limit(MANY)
    found = []
    for row in connection.execute(query.where(c.state == CampaignState.SUBMITTED)):
        hands = {row.created_by, *row.editors} | {row.submitted_by or row.created_by}
        mine = own in {base_name(name) for name in hands}
        found.append(CampaignToApprove(row.id, row.name, row.submitted_by or row.created_by, mine))
    return found


def case(connection: Connection, campaign_id: int, caller: Caller) -> Case:
    dossier = queries.dossier(connection, campaign_id)
    last = dossier.decisions[-1] if dossier.decisions else None
    letter = select(directives.c.number).where(directives.c.id == dossier.campaign.directive_id)
    return Case(
        dossier=dossier,
        letter=connection.scalar(letter),
        wordings=[_wording(*each) for each in sorted(dossier.campaign.texts.items())],
        files=_files(connection, dossier),
        barred=_barred(connection, caller, campaign_id),
        night=breaks_quiet_hours(dossier.campaign.day_starts, dossier.campaign.day_ends),
        last=last,
        same=last is not None and _same(connection, campaign_id, last),
        changes=_changes(connection, dossier, last.at) if last else [],
    )


def _same(connection: Connection, campaign_id: int, last: Decision) -> bool:
    return approval_digest.holds(connection, optimistic_lock.campaign(connection, campaign_id), last.digest)


def _wording(language: str, text: str) -> ApprovalText:
    return ApprovalText(language, wordings.preview(nfc(text)), hints(text))


def _files(connection: Connection, of: Dossier) -> list[BatchView]:
    ids = [each for run in of.runs for each in run.batch_ids]
    c = batches.c
    query = (
        select(c.id, c.name, c.carrier, c.accepted, c.sha256, c.other_range)
        .where(c.id.in_(ids))
        .order_by(c.id)
    )
    return [BatchView(*row) for row in connection.execute(query)]


def _barred(connection: Connection, caller: Caller, campaign_id: int) -> Forbidden | None:
    try:
        approval.check_approver(connection, caller, optimistic_lock.campaign(connection, campaign_id))
    except Forbidden as error:
        return error
    return None


def _changes(connection: Connection, of: Dossier, since: datetime) -> list[CampaignChange]:
    a, campaign_id = audit.c, of.campaign.id
    carriers = {f"run/{run.id}": run.carrier for run in of.runs}
    runs = a.action.in_(("run.add", "run.remove"))
    query = select(a.at, a.who, a.action, a.subject, a.detail).where(a.at >= clock.to_ms(since))
    query = query.where(or_(a.subject == f"campaign/{campaign_id}", runs)).order_by(a.id)
    found = [
        CampaignChange(
            clock.from_ms(row.at),
            row.who,
            ACTS[row.action],
            row.detail.get("carrier") or carriers.get(row.subject),
        )
        for row in connection.execute(query)
        if row.action in ACTS and row.detail.get("campaign", campaign_id) == campaign_id
    ]
    return found[-MOST_CHANGES:]

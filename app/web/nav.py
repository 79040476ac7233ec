"""Navigation in the header of every page, by role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from app.core.states import CampaignState, RunState
from app.database.models import campaigns, runs
from app.security.principal import Caller
from app.security.roles import Role, may
from app.security.tenant_scope import own_campaigns
from app.web.translations import Said, say


@dataclass(frozen=True, slots=True)
class NavEntry:
    """A page in the navigation, shown to roles that may do `operation`."""

    operation: str
    path: str
    name: Said


@dataclass(frozen=True, slots=True)
class NavGroup:
    name: Said
    entries: Sequence[NavEntry]


GROUPS = (
    NavGroup(
        say("Today"),
        (
            NavEntry("page_overview", "/", say("Overview")),
            NavEntry("page_approvals", "/approvals", say("Approvals")),
            NavEntry("page_find_person", "/find", say("Look up a number")),
            NavEntry("page_inbound", "/inbound", say("Inbound messages")),
            NavEntry("page_person_requests", "/person-requests", say("Personal data requests")),
        ),
    ),
    NavGroup(
        say("Campaigns"),
        (
            NavEntry("page_campaigns", "/campaigns", say("All campaigns")),
            NavEntry("page_compose", "/compose", say("New campaign")),
            NavEntry("page_batches", "/batches", say("Batches")),
            NavEntry("page_texts", "/texts", say("Texts")),
        ),
    ),
    NavGroup(
        say("Carriers"),
        (
            NavEntry("page_links", "/links", say("Links")),
            NavEntry("page_sender_names", "/sender-names", say("Sender names")),
            NavEntry("page_receipts", "/receipts", say("Receipts")),
            NavEntry("page_panel", "/panel", say("Test telephones")),
            NavEntry("page_signing_keys", "/signing-keys", say("Signing keys")),
        ),
    ),
    NavGroup(
        say("Records"),
        (
            NavEntry("page_directives", "/directives", say("Directives")),
            NavEntry("page_reports", "/reports", say("Reports")),
            NavEntry("page_erasures", "/erasures", say("Erasures")),
            NavEntry("page_audit", "/audit", say("Audit log")),
            NavEntry("page_people", "/people", say("Users")),
        ),
    ),
)

# What somebody does first in an empty Loa, by role.
STEPS: dict[str, tuple[NavEntry, ...]] = {
    Role.ADMIN: (
        NavEntry(
            "page_new_directive",
            "/directives/new",
            say("Enter the directive: number, date, issuer, deadline"),
        ),
        NavEntry("page_new_batch", "/batches/new", say("Upload a list of subscribers for each carrier")),
        NavEntry("page_compose", "/compose", say("Compose the campaign, and submit it to the approver")),
    ),
    Role.APPROVER: (
        NavEntry("page_second_factor", "/second-factor", say("Set up two-factor sign-in")),
        NavEntry("page_texts", "/texts", say("Read the texts that campaigns may use")),
        NavEntry("page_approvals", "/approvals", say("Decide on campaigns as soon as they are submitted")),
    ),
    Role.OPERATOR: (
        NavEntry("page_links", "/links", say("Check that your carrier's links are working")),
        NavEntry("page_new_batch", "/batches/new", say("Upload your carrier's list of subscribers")),
        NavEntry("page_overview", "/", say("Start the run here once it is approved")),
    ),
    Role.AUDITOR: (
        NavEntry("page_audit", "/audit", say("See who has done what")),
        NavEntry("page_audit_verification", "/audit/verification", say("Verify the audit log")),
        NavEntry("page_reports", "/reports", say("View reports here once sending has started")),
    ),
}


def groups(who: Caller | None) -> list[NavGroup]:
    """Return the groups with what this caller may open; groups of nothing are left out."""
    if who is None:
        return []
    own = [NavGroup(of.name, [each for each in of.entries if may(who.role, each.operation)]) for of in GROUPS]
    return [of for of in own if of.entries]


def _waiting(carrier: str | None) -> Select[Any]:
    query = select(func.count()).select_from(campaigns).where(campaigns.c.state == CampaignState.SUBMITTED)
    return query if carrier is None else query.where(own_campaigns(carrier))


def planned(carrier: str | None) -> ColumnElement[bool]:
    """Build the SQL condition for runs of approved campaigns that have not been started."""
    ready = (runs.c.state == RunState.PLANNED) & (campaigns.c.state == CampaignState.APPROVED)
    return ready if carrier is None else ready & (runs.c.carrier == carrier)


def _to_start(carrier: str | None) -> Select[Any]:
    joined = runs.join(campaigns, campaigns.c.id == runs.c.campaign_id)
    return select(func.count()).select_from(joined).where(planned(carrier))


def counts(connection: Connection, who: Caller) -> dict[str, int]:
    """Count by path what waits for this caller; zeros are left out."""
    asked = {}
    if may(who.role, "approve_campaign"):
        asked["/approvals"] = _waiting(who.carrier)
    if may(who.role, "start_run"):
        asked["/"] = _to_start(who.carrier)
    if not asked:
        return {}
    found = connection.execute(select(*(query.scalar_subquery() for query in asked.values()))).one()
    return {path: n for path, n in zip(asked, found, strict=True) if n}

"""What only the rows themselves can tell: deferrals, messages sent again, partly delivered or ported."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, func, select

from app.core.states import RECEIVED, DeliveryState
from app.database.models import audit, deliveries, submissions
from app.ledger.contract import ResultKind
from app.reports import as_of, labels
from app.reports.as_of import Past
from app.reports.figures import Cause, Extra
from app.reports.scope import Scope
from carriers.contract import Reason

RESENT = "unknown sent again"  # the audit's word for a person's decision, whose detail has their number `n`


def beside(connection: Connection, scope: Scope, cutoff_ms: int, back: Past) -> Extra:
    """The figures beside the identities, but for what the tallies tell."""
    d = deliveries.c
    some_part = (d.state.not_in(RECEIVED), d.delivered + d.relayed > 0)
    partly = select(func.count()).where(*scope.within(deliveries), *some_part)
    return Extra(
        deferred=connection.execute(_deferred(scope, cutoff_ms)).scalar_one(),
        resent=_resent(connection, scope.run.id, cutoff_ms) if scope.whole else None,
        partly=connection.execute(partly).scalar_one() + back.partly,
        oldest_ms=as_of.oldest(connection, scope, cutoff_ms, back),
    )


def _deferred(scope: Scope, cutoff_ms: int) -> Any:
    s = submissions.c
    where = (*scope.within(submissions), s.result == ResultKind.DEFERRED, s.at <= cutoff_ms)
    # A message is put off as a whole, however many of its parts were answered so.
    whole = select(s.batch_id, s.seq, s.attempt).where(*where).distinct().subquery()
    return select(func.count()).select_from(whole)


def networks(connection: Connection, scope: Scope, cutoff_ms: int) -> tuple[Cause, ...]:
    """Messages refused since another network serves the number, by the network that the refusal names."""
    d, s = deliveries.c, submissions.c
    own = and_(s.campaign_id == d.campaign_id, s.batch_id == d.batch_id, s.seq == d.seq)
    ported = (d.state == DeliveryState.REJECTED, d.reason == Reason.OTHER_NETWORK)
    query = select(s.network, func.count()).select_from(deliveries).join(submissions, own)
    query = query.where(*scope.within(deliveries), *ported, s.network.is_not(None), s.at <= cutoff_ms)
    found = connection.execute(query.group_by(s.network).order_by(s.network)).all()
    return tuple(Cause(network, labels.network(network), n) for network, n in found)


def _resent(connection: Connection, run_id: int, cutoff_ms: int) -> int:
    """Messages sent again by a person's decision, as the audit has it: a crash leaves no submission."""
    query = select(audit.c.detail).where(audit.c.action == RESENT, audit.c.subject == f"run {run_id}")
    query = query.where(audit.c.at <= cutoff_ms)
    return sum(int(detail["n"]) for detail in connection.execute(query).scalars())

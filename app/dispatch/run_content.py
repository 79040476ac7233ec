"""Decide which runs a link may send for now, and with which content."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    select,
)

from app.core import clock
from app.core.sending_window import Window, open_at
from app.core.states import CampaignState, LinkState, RunState
from app.database.models import LINK_GONE_AFTER_MS, campaigns, do_not_send, link_health, links, runs
from app.dispatch import link_store
from app.dispatch.run_sweeps import move
from app.ledger import approval_digest, money
from app.ledger.contract import SLOWEST, ChunkLease, DeliveryToSend, Link
from app.ledger.ledger import Ledger
from app.security import audit
from carriers.contract import OutboundSms, Permit

log = structlog.get_logger(__name__)

_OTHER_LINK = "link"  # the link's settings would now change the text differently than when it was approved
_VALIDITY_STEP_S = 900  # coarse, so that one prepared message serves a quarter of an hour
_LONGEST_VALIDITY_S = 48 * 3600


@dataclass(frozen=True, slots=True)
class RunContent:
    """What a run sends: its text, sender ID, and window."""

    run_id: int
    mark: str  # a name of the campaign that is unique across ledgers, for message keys
    sender: str
    text: str
    window: Window
    share: float = 1.0  # of each link's rate, so that all of the carrier's together keep the run's own
    budget: int | None = None  # the campaign whose budget counts
    template_code: str = ""  # of the registered template that the text fits, as approved

    def validity_s(self, now: datetime) -> int | None:
        """Return how long the carrier may try: until the window's end, in quarters of an hour."""
        if self.window.end is None:
            return None
        left = int((self.window.end - now).total_seconds())
        steps = max(1, left // _VALIDITY_STEP_S)
        return min(steps * _VALIDITY_STEP_S, _LONGEST_VALIDITY_S)


def run_contents(
    connection: Connection,
    carrier: str,
    now: datetime,
    content_hash: str = "",
    among: Collection[int] | None = None,
) -> list[RunContent]:
    """Return the carrier's running runs (of `among`) within their sending hours, most urgent first.

    Pauses a run whose campaign differs by a byte from what was approved, or whose text this link's settings
    (`content_hash`) would change differently than at approval.
    """
    found = []
    given: dict[str, Any] = {"carrier": carrier, "gone": clock.to_ms(now) - LINK_GONE_AFTER_MS}
    if among is None:
        rows = connection.execute(_AT_WORK, given).all()
    else:
        rows = connection.execute(_AMONG, given | {"ids": list(among)}).all()
    accounts = {account for row in rows if (account := money.account_of(row)) is not None}
    spent = money.spent(connection, accounts) if accounts else set()
    for row in rows:
        window = Window.of(row.window_start, row.window_end, row.day_starts, row.day_ends)
        if not open_at(window, now):
            continue
        if money.account_of(row) in spent:
            continue
        decision = approval_digest.approved(connection, row)
        # Before 0066 areas could have texts of their own; one text for all is not what was approved then.
        if decision is None or row.text_areas or not approval_digest.is_ordered(connection, row.run_id):
            stop(connection, row.run_id, row.id)
            continue
        if not approval_digest.covers(decision, carrier, content_hash):
            stop(connection, row.run_id, row.id, why=_OTHER_LINK)
            continue
        mark = f"{_base36(row.created_at)}-{row.id}"
        text, account = row.texts[""], money.account_of(row)
        code = approval_digest.template_code(decision, carrier)
        found.append(RunContent(row.run_id, mark, row.sender, text, window, _share(row), account, code))
    return found


def _at_work() -> Select[Any]:
    """Select running runs of approved campaigns, with the campaign and the summed rate of the links at work.

    Renamed or removed links keep their rows: only ones reported after `gone` count, or all if there are none.
    """
    r, h = runs.c, link_health.c
    spoke = select(h.link_id).where(h.seen_at > bindparam("gone"))
    rate = func.coalesce(_rate(spoke).scalar_subquery(), _rate(None).scalar_subquery())
    columns = r.id.label("run_id"), r.segments_per_second, rate.label("rate"), *campaigns.c
    return _of_running(select(*columns)).order_by(r.priority.desc(), r.id)


def _rate(among: Select[Any] | None) -> Select[Any]:
    """Sum the rates of the carrier's running links; those of one account keep one pace, so it counts once."""
    first = links.alias()

    def works(link: FromClause) -> ColumnElement[bool]:
        own: BindParameter[str] = bindparam("carrier")
        running = and_(link.c.carrier == own, link.c.state == LinkState.RUNNING.value)
        return running if among is None else and_(running, link.c.id.in_(among))

    earlier = exists().where(works(first), first.c.account == links.c.account, first.c.id < links.c.id)
    return select(func.sum(links.c.segments_per_second)).where(works(links), ~earlier.correlate(links))


def _of_running(query: Select[Any]) -> Select[Any]:
    r = runs.c
    return (
        query.select_from(runs.join(campaigns, campaigns.c.id == r.campaign_id))
        .where(r.carrier == bindparam("carrier"), r.state == RunState.RUNNING.value)
        .where(campaigns.c.state == CampaignState.APPROVED.value)
    )


# Each link asks these at every claim and twice a second, and to build one costs as much as to ask it.
_THESE = runs.c.id.in_(bindparam("ids", expanding=True))
_AT_WORK = _at_work()
_AMONG = _AT_WORK.where(_THESE)
_RUNNING = _of_running(select(runs.c.id)).order_by(runs.c.priority.desc(), runs.c.id)
_STILL_RUNNING = _of_running(select(runs.c.id)).where(_THESE)


def _share(row: Row[Any]) -> float:
    if row.segments_per_second is None or not row.rate:
        return 1.0
    return max(SLOWEST, min(1.0, float(row.segments_per_second / row.rate)))


def stop(
    connection: Connection, /, run_id: int, campaign_id: int, why: str = "tampering", **what: int
) -> None:
    """Pause a run whose content (`what`) differs from its approval, until the approved content is back."""
    if move(connection, run_id, RunState.RUNNING, RunState.PAUSED):
        log.error("a run is stopped: it differs from what was approved", run=run_id, why=why, **what)
        said = {"campaign": campaign_id, "why": why, **what}
        audit.note(connection, "loa", approval_digest.STOPPED, f"run/{run_id}", **said)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


@dataclass(frozen=True, slots=True)
class ClaimedChunk:
    """A leased chunk, its content, and the time of the claim by the database's clock."""

    lease: ChunkLease
    content: RunContent
    at: datetime


_N = do_not_send.c
_LISTED = select(_N.phone).where(
    _N.carrier == bindparam("carrier"), _N.phone.in_(bindparam("phones", expanding=True))
)
_AT_ONCE = 1000  # phones of one statement
# One look into the index for each phone: for `= ANY(...)` the planner would read a list of any size whole.
_LISTED_ON_SERVER = """
    SELECT p.phone FROM unnest(%(phones)s::bigint[]) p(phone) CROSS JOIN LATERAL (
      SELECT 1 FROM do_not_send n WHERE n.carrier = %(carrier)s AND n.phone = p.phone LIMIT 1) listed
"""


def _listed(connection: Connection, carrier: str, phones: Sequence[int]) -> set[int]:
    """Return which of the phones are on the carrier's do-not-send list."""
    if connection.dialect.name == "postgresql":
        given = {"carrier": carrier, "phones": list(phones)}
        return set(connection.exec_driver_sql(_LISTED_ON_SERVER, given).scalars())
    found: set[int] = set()
    for start in range(0, len(phones), _AT_ONCE):
        some = {"carrier": carrier, "phones": phones[start : start + _AT_ONCE]}
        found.update(connection.execute(_LISTED, some).scalars())
    return found


def still_going(
    connection: Connection, link: Link, run_ids: Collection[int], phones: Sequence[int]
) -> tuple[set[int], set[int]]:
    """Return those of the runs for which the link may go on sending, and which of the phones have opted out.

    The whole do-not-send list of the carrier is asked, whenever and by whatever clock a number was entered.
    """
    listed = _listed(connection, link.carrier, phones) if phones else set()
    if link_store.state(connection, link.id) is not LinkState.RUNNING:
        return set(), listed
    given = {"carrier": link.carrier, "ids": list(run_ids)}
    found = connection.execute(_STILL_RUNNING, given).scalars().all()
    return {run_id for run_id in found if approval_digest.is_ordered(connection, run_id)}, listed


def messages(
    content: RunContent, lease: ChunkLease, items: Sequence[DeliveryToSend], now: datetime, permit: Permit
) -> list[OutboundSms]:
    """Build the carrier's messages for these; a key is unique to this pass and never used twice."""
    sender, validity, text = content.sender, content.validity_s(now), content.text
    before, after, code = f"{content.mark}-{lease.batch_id}", lease.pass_no, content.template_code
    return [
        OutboundSms(str(phone), text, sender, validity, f"{before}-{seq}-{after}", permit, code)
        for seq, phone, *_ in items
    ]


def running(connection: Connection, carrier: str) -> list[int]:
    return list(connection.execute(_RUNNING, {"carrier": carrier}).scalars())


def claim(
    connection: Connection,
    ledger: Ledger,
    link: Link,
    owner: str,
    lease_s: float,
    among: Collection[int] | None = None,
) -> ClaimedChunk | LinkState:
    """Claim a chunk of `among`, or of any run; return the link's state if it is halted or nothing is due."""
    state = link_store.state(connection, link.id)
    if state is not LinkState.RUNNING:
        return state
    if not link_store.at_home(connection, ledger):
        link_store.halt(connection, link.id, link_store.RESTORED)
        return LinkState.HALTED
    now = clock.from_ms(ledger.now_ms(connection))
    able = run_contents(connection, link.carrier, now, link.content_hash, among)
    open_now = {content.run_id: content for content in able}
    lease = ledger.claim(connection, link, list(open_now), owner, lease_s)
    if lease is None:
        return state
    if approval_digest.is_altered(connection, lease) or approval_digest.is_set_back(connection, lease):
        stop(connection, lease.run_id, lease.campaign_id, batch=lease.batch_id)
        ledger.release(connection, lease, 0.0)
        return state
    content = open_now[lease.run_id]
    return ClaimedChunk(replace(lease, budget=content.budget), content, now)

"""Requests of two persons: one asks, another approves; each row bears a seal like an approval's.

A request has the number of the act that the audit has of it, and stays until that act is erased. What happens
to it is noted in the audit as well, which nobody reads to go on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from app.core.errors import Conflict
from app.core.logger import get_logger
from app.core.masking import mask_values
from app.database.connection import shared_ms
from app.database.models import approval_requests as table
from app.database.models import audit
from app.security import Caller, row_stamps
from app.security.audit_chain import ACT, is_sealed_for_its_time
from app.security.credential_provenance import behind, shared
from app.security.principal import base_name

log = get_logger(__name__)


class RequestKind(StrEnum):
    BUDGET = "budget"
    REJECTED = "rejected"
    SIGNING_KEY = "signing_key"


class RequestState(StrEnum):
    OPEN = "open"
    REPLACED = "replaced"  # by a newer one
    APPROVED = "approved"
    DONE = "done"  # approved, and carried out to the end


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A request about a subject of the audit. behind: who stood behind the asker; result: what came of it."""

    id: int
    kind: str
    subject: str
    wanted: dict[str, Any]
    reason: str
    asked_by: str
    behind: list[str]
    asked_at: int
    approved_by: str | None = None
    approved_at: int | None = None
    state: str = RequestState.OPEN.value
    result: dict[str, Any] = field(default_factory=dict)


_COLUMNS = tuple(table.c[name] for name in ApprovalRequest.__dataclass_fields__)


def ask(
    connection: Connection, kind: RequestKind, subject: str, who: str, reason: str, values: Mapping[str, Any]
) -> ApprovalRequest:
    """Enter a request, right after the act that the audit has of it."""
    number = connection.execute(select(func.max(audit.c.id))).scalar_one()
    stood = sorted(behind(connection, who))
    said = mask_values(dict(values)), mask_values(reason)
    fresh = ApprovalRequest(number, kind.value, subject, *said, who, stood, shared_ms(connection))
    _enter(connection, fresh)
    return fresh


def replace_older(connection: Connection, newest: ApprovalRequest) -> None:
    """Close the open requests of this kind about the subject but for the newest one."""
    for each in of(connection, newest.kind, newest.subject):
        if each.id != newest.id and each.state == RequestState.OPEN:
            change(connection, replace(each, state=RequestState.REPLACED.value))


def of(connection: Connection, kind: str, subject: str) -> list[ApprovalRequest]:
    """Return the requests of this kind about the subject, in order."""
    own = table.c.kind == kind, table.c.subject == subject
    rows = connection.execute(select(*_COLUMNS).where(*own).order_by(table.c.id))
    return [ApprovalRequest(**row._mapping) for row in rows]


def sealed(connection: Connection, number: int) -> ApprovalRequest:
    """Return a request to be changed. Raises Conflict if its seal is broken.

    Whoever counts further what came of it notes that in the audit before: acts are noted one at a time.
    """
    row = connection.execute(select(table).where(table.c.id == number)).one()
    found = ApprovalRequest(**{each.name: row._mapping[each.name] for each in _COLUMNS})
    if not row_stamps.holds(connection, _content(found), row.stamp):
        raise Conflict(
            "Request {n} has no valid seal of Loa, or was altered outside Loa, and is void. Create "
            "a new request.",
            n=number,
        )
    return found


def is_own(connection: Connection, caller: Caller, request: ApprovalRequest) -> bool:
    """Return whether the caller has asked for it, or stands behind who did."""
    own, theirs = {base_name(caller.name)}, {base_name(request.asked_by), *request.behind}
    theirs |= behind(connection, request.asked_by)
    return bool(shared(own | behind(connection, caller.name), theirs))


def approve(connection: Connection, request: ApprovalRequest, who: str) -> ApprovalRequest:
    """Store who has approved it. Raises Conflict if somebody has meanwhile: a request is approved once."""
    at, state = shared_ms(connection), RequestState.APPROVED.value
    approved = replace(request, approved_by=who, approved_at=at, state=state)
    if not _store(connection, approved, table.c.approved_by.is_(None)):
        raise Conflict("Someone else has just approved this request. Reload and review it.")
    return approved


def change(connection: Connection, request: ApprovalRequest) -> ApprovalRequest:
    """Store what has become of a request, under a new seal."""
    _store(connection, request)
    return request


def _store(connection: Connection, request: ApprovalRequest, *still: ColumnElement[bool]) -> bool:
    values = asdict(request) | {"stamp": row_stamps.make(connection, _content(request))}
    return bool(
        connection.execute(update(table).where(table.c.id == request.id, *still).values(values)).rowcount
    )


def restamp(connection: Connection) -> int:
    """Renew stamps after a change of keys; return how many were renewed."""
    count = 0
    for row in connection.execute(select(table)).all():
        content = _content(ApprovalRequest(**{each.name: row._mapping[each.name] for each in _COLUMNS}))
        if fresh := row_stamps.renewed(connection, content, row.stamp):
            connection.execute(update(table).where(table.c.id == row.id).values(stamp=fresh))
            count += 1
    return count


def _enter(connection: Connection, request: ApprovalRequest) -> None:
    stamp = row_stamps.make(connection, _content(request))
    connection.execute(insert(table).values(asdict(request) | {"stamp": stamp}))


def _content(request: ApprovalRequest) -> bytes:
    return row_stamps.canonical(asdict(request))


# ---- Requests of before there was the table


def adopt(connection: Connection) -> None:
    """Copy the requests that the audit alone had, once, when the table is new.

    One of whose acts the seal does not hold is left out: it has to be asked for again.
    """
    for kind, acts in ((RequestKind.BUDGET, _BUDGET), (RequestKind.REJECTED, _REJECTED)):
        for request in _folded(connection, kind, acts):
            _enter(connection, request)


_BUDGET = ("budget.ask", "budget.raise")
_REJECTED = ("rejected.ask", "rejected.approve", "rejected.resend", "rejected.end")


def _folded(connection: Connection, kind: RequestKind, acts: tuple[str, ...]) -> Iterator[ApprovalRequest]:
    found: dict[int, ApprovalRequest] = {}
    query = select(*ACT).where(audit.c.action.in_(acts)).order_by(audit.c.id)
    for act in connection.execute(query).all():
        detail = json.loads(act.stored)
        number = act.id if act.action == acts[0] else detail["order"]
        if act.action != acts[0] and number not in found:
            continue
        if not is_sealed_for_its_time(connection, act):
            log.error("a request was not copied because the seal of its audit row is broken", request=number)
            found.pop(number, None)
        elif act.action == acts[0]:
            found[number] = _asked(kind, act, detail)
        else:
            found[number] = _went_on(found[number], act, detail)
    newest = {each.subject: each.id for each in found.values()}
    for each in found.values():
        late = kind == RequestKind.BUDGET and (
            newest[each.subject] != each.id or each.wanted["budget_segments"] is None
        )
        is_replaced = late and each.state == RequestState.OPEN
        yield replace(each, state=RequestState.REPLACED.value) if is_replaced else each


def _asked(kind: RequestKind, act: Row[Any], detail: Mapping[str, Any]) -> ApprovalRequest:
    wanted = {name: value for name, value in detail.items() if name not in ("because", "budget_dong")}
    said = act.subject, wanted, detail["because"]
    return ApprovalRequest(act.id, kind.value, *said, act.who, [], act.at)  # who stands behind it: `is_own`


def _went_on(request: ApprovalRequest, act: Row[Any], detail: Mapping[str, Any]) -> ApprovalRequest:
    if request.approved_by is None:
        request = replace(request, approved_by=act.who, approved_at=act.at, state=RequestState.APPROVED.value)
    if act.action == "rejected.resend":
        return replace(request, result={"sent_again": request.result.get("sent_again", 0) + detail["n"]})
    if act.action == "rejected.end":
        result = request.result | {"left_out": detail["left_out"]}
        return replace(request, result=result, state=RequestState.DONE.value)
    return request

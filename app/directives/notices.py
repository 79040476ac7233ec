"""Notices (reminders by e-mail, events by webhook) as people see them: listed, and sent again."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import Connection, select, update

from app.api.bodies import Receiver, StrictBody
from app.core import clock
from app.core.errors import Conflict, no_such
from app.core.ids import Number
from app.database.listing import ListColumns, ListPart, ListRequest, part
from app.database.models import notices
from app.database.records import from_row
from app.notifications.outbox import NoticeState, NoticeView
from app.operations import Paging, Transaction, operation
from app.security.roles import ADMINS, OFFICE
from carriers.phrases import Phrase

TAG = "deadline"


class FailedNotices(StrictBody):
    """Whose failed notices: an endpoint's name, or an e-mail address."""

    target: Receiver = Field(examples=["desk"])


class Replayed(BaseModel):
    """How many notices will be sent again."""

    notices: int


def listed(
    connection: Connection, request: ListRequest | int, limit: int, state: NoticeState | None = None
) -> ListPart[NoticeView]:
    """Return notices; words are looked for in what they are about and to whom."""
    n = notices.c
    query = select(notices) if state is None else select(notices).where(n.state == state.value)
    columns = ListColumns(n.id, n.created_at, names=[n.kind, n.target], orders={"made": n.id})
    return part(connection, query, columns, request, limit).of(lambda row: from_row(NoticeView, row))


@operation(
    "GET /v1/notices",
    roles=OFFICE,
    command="directive notices",
    columns=("id", "kind", "channel", "target", "state", "tries", "sent_at", "error"),
)
def list_notices(tx: Transaction, paging: Paging, state: NoticeState | None = None) -> ListPart[NoticeView]:
    """List reminders and events by e-mail and webhook: sent, waiting, or failed with the reason."""
    return listed(tx.connection, paging.request, paging.limit, state)


@operation(
    "POST /v1/notices/replay",
    roles=ADMINS,
    status=202,
    action="notice.replay",
    audit="resent {subject}",
    flash="Notices being sent again: {notices}.",
    page="/notices",
)
def replay_failed_notices(tx: Transaction, body: FailedNotices) -> Replayed:
    """Send all failed notices to one receiver once more, such as after its address was corrected."""
    n = notices.c
    failed = update(notices).where(n.target == body.target, n.state == NoticeState.FAILED.value)
    ids = tx.connection.execute(failed.values(_again()).returning(n.id)).scalars().all()
    if not ids:
        known = select(n.target).where(n.state == NoticeState.FAILED.value).distinct()
        others = ", ".join(sorted(tx.connection.execute(known).scalars())) or Phrase("none")
        raise Conflict(
            "There are no failed notices to {target}. Notices to these have failed: {others}.",
            target=body.target,
            others=others,
        )
    for notice_id in sorted(ids):
        tx.note(f"notice/{notice_id}", target=body.target)
    return Replayed(notices=len(ids))


@operation(
    "POST /v1/notices/{notice_id}/replay",
    roles=ADMINS,
    status=202,
    action="notice.replay",
    audit="resent {subject}",
    flash="Notice {notice_id} is being sent again.",
    page="/notices",
)
def replay_notice(tx: Transaction, notice_id: Number) -> dict[str, int]:
    """Send a notice once more, under the same webhook-id, so that the receiver recognises it."""
    that = update(notices).where(notices.c.id == notice_id)
    row = tx.connection.execute(that.values(_again()).returning(notices.c.kind)).first()
    if row is None:
        raise no_such("notice", notice_id)
    tx.note(f"notice/{notice_id}", kind=row.kind)
    return {"id": notice_id}


def _again() -> dict[str, Any]:
    # The outcome of a sending that is under way can't undo this order.
    return {"state": str(NoticeState.WAITING), "due_at": clock.now_ms(), "tries": 0, "error": None}

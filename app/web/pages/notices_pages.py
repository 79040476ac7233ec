"""Outgoing notices (e-mail reminders, webhook events): list and replay."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Response
from sqlalchemy import Connection

from app.api.dependencies import Id, Routes
from app.notifications import outbox
from app.notifications.outbox import NoticeState, NotificationChannel
from app.security.roles import may
from app.web.forms.list_export import ListFile, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.rendering import Fields, Visit, redirect_with_flash, render
from app.web.translations import Said, say

router = Routes(include_in_schema=False)
ON_A_PAGE = 50

STATES: dict[NoticeState, tuple[str, Said]] = {
    NoticeState.WAITING: ("wait", say("still to be sent")),
    NoticeState.SENT: ("good", say("accepted by the receiver")),
    NoticeState.FAILED: ("bad", say("not taken")),
}
CHANNELS: dict[NotificationChannel, Said] = {
    NotificationChannel.EMAIL: say("e-mail"),
    NotificationChannel.WEBHOOK: say("webhook"),
}


FILE = ListFile(
    "notices",
    {
        say("No."): "id",
        say("What"): "kind",
        say("By way of"): lambda each, speaker: speaker.say(CHANNELS[each.channel]),
        say("To"): "target",
        say("State"): lambda each, speaker: speaker.say(STATES[each.state][1]),
        say("Written"): "created_at",
        say("Taken"): "sent_at",
        say("Tries in vain"): "tries",
        say("Last error"): "error",
    },
)


@router.get("/notices")
async def page_notices(visit: Visit, query: Annotated[ListQuery, Depends()], state: str = "") -> Response:
    asked = NoticeState(state) if state in list(NoticeState) else None
    request = query.request(["made"])
    if wants_file(query):
        return list_file(visit, FILE, request, partial(outbox.listed, state=asked))
    found = await visit.db.aread(outbox.listed, request, ON_A_PAGE, asked)
    shown = list_view(visit, query, found, {"state": asked or ""})
    values: dict[str, Any] = {
        "states": STATES,
        "channels": CHANNELS,
        "again": may(visit.who.role, "replay_notice"),
    }
    return render(visit, "notices.html", list=shown, **values)


@router.post("/notices/replay")
async def page_do_replay_failed_notices(visit: Visit, fields: Fields) -> Response:
    """Send everything that failed to one receiver once more."""
    n = await visit.db.awrite(outbox.replay_failed, fields.get("target")[:254], visit.who.name)
    return redirect_with_flash(visit, "/notices", say("Notices being sent again: {n}."), n=n)


@router.post("/notices/{notice_id}/replay")
async def page_do_replay_notice(notice_id: Id, visit: Visit) -> Response:
    def work(connection: Connection) -> None:
        outbox.replay(connection, notice_id, visit.who.name)

    await visit.db.awrite(work)
    return redirect_with_flash(visit, "/notices", say("Notice {n} is being sent again."), n=notice_id)

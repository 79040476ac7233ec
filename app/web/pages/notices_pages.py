"""Outgoing notices (e-mail reminders, webhook events): list and replay."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Response

from app.api.dependencies import Routes
from app.directives import notices
from app.notifications.outbox import NoticeState, NotificationChannel
from app.security.roles import may
from app.web.forms.list_export import ListFile, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.operation_forms import add_forms
from app.web.rendering import Visit, render
from app.web.translations import Said, say

router = Routes(include_in_schema=False)
ON_A_PAGE = 50

STATES: dict[NoticeState, tuple[str, Said]] = {
    NoticeState.WAITING: ("wait", say("still to be sent")),
    NoticeState.SENT: ("good", say("accepted by the recipient")),
    NoticeState.FAILED: ("bad", say("not accepted")),
}
CHANNELS: dict[NotificationChannel, Said] = {
    NotificationChannel.EMAIL: say("e-mail"),
    NotificationChannel.WEBHOOK: say("webhook"),
}


FILE = ListFile(
    "notices",
    {
        say("No."): "id",
        say("Action"): "kind",
        say("Sent by"): lambda row, speaker: speaker.say(CHANNELS[row.channel]),
        say("Sent to address"): "target",
        say("State"): lambda row, speaker: speaker.say(STATES[row.state][1]),
        say("Created at"): "created_at",
        say("Accepted at"): "sent_at",
        say("Failed attempts"): "tries",
        say("Last error"): "error",
    },
)


@router.get("/notices")
async def page_notices(visit: Visit, query: Annotated[ListQuery, Depends()], state: str = "") -> Response:
    asked = NoticeState(state) if state in list(NoticeState) else None
    request = query.request(["made"])
    if wants_file(query):
        return list_file(visit, FILE, request, partial(notices.listed, state=asked))
    found = await visit.db.aread(notices.listed, request, ON_A_PAGE, asked)
    shown = list_view(visit, query, found, {"state": asked or ""})
    values: dict[str, Any] = {
        "states": STATES,
        "channels": CHANNELS,
        "again": may(visit.who.role, "replay_notice"),
    }
    return render(visit, "notices.html", list=shown, **values)


add_forms(router, notices)

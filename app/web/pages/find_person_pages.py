"""Look one exact number up, never as part of an address; list its deliveries, show one of them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Response
from sqlalchemy import Connection, select

from app.api.dependencies import Id, Routes
from app.core import areas, clock
from app.core.errors import Invalid, TooOften
from app.core.ids import LARGEST, Exact
from app.core.states import REASON_NAMES, DeliveryState
from app.database.models import campaigns
from app.dispatch import find_person
from app.privacy import person_data
from app.privacy.person_data import HeldKind, HeldWhy, PersonData
from app.receipts import delivery_history
from app.security.roles import may
from app.web.rendering import Fields, FormState, PageRequest, Visit, refused, render
from app.web.translations import Said, say
from app.web.view_models import delivery_labels

router = Routes(include_in_schema=False)
STATES = {each.name.lower(): each for each in DeliveryState}
REASONS = {name: delivery_labels.REASONS[each] for each, name in REASON_NAMES.items()}
KINDS: dict[str, Said] = {
    HeldKind.LIST: say("a list of numbers"),
    HeldKind.MESSAGE: say("a message to it"),
    HeldKind.RECEIPTS: say("receipts of that message"),
    HeldKind.RESULT_FILE: say("a result file of the carrier"),
    HeldKind.QUARANTINE: say("receipts that match no message"),
    HeldKind.INBOUND: say("messages from it"),
    HeldKind.DO_NOT_SEND: say("a do-not-send list"),
    HeldKind.PANEL: say("the panel of test telephones"),
    HeldKind.ASKED: say("a request from its owner, still open"),
    HeldKind.NAMED: say("messages from other people that mention it"),
    HeldKind.WRITTEN: say("an agency record that mentions it"),
}
WHYS: dict[str, Said] = {
    HeldWhy.TASK: say("to carry out the campaign of an official directive"),
    HeldWhy.PROOF: say("to prove what was sent and received, until the term ends"),
    HeldWhy.REQUEST: say("to respect the owner's request"),
    HeldWhy.OTHERS: say("words of another person, kept until their term ends"),
    HeldWhy.RECORDS: say("part of the agency's records, which Loa does not erase"),
}


@router.get("/find")
def page_find_person(visit: Visit) -> Response:
    return _page(visit, FormState(), None)


@router.post("/find")
async def page_do_find_person(visit: Visit, fields: Fields) -> Response:
    """Look the number up; the form is shown again without it."""
    try:
        found = await visit.db.awrite(find_person.find_person, fields.get("phone"), visit.who)
    except (Invalid, TooOften) as error:
        answer = _page(visit, refused(error, fields), None)
        if error.retry_after_s:
            answer.headers["Retry-After"] = str(error.retry_after_s)
        return answer
    return _page(visit, FormState(), found)


@router.post("/find/data")
async def page_do_read_person_data(visit: Visit, fields: Fields) -> Response:
    """Show what is held on the number; the form is shown again without it."""
    try:
        data = await asyncio.to_thread(person_data.person_data, visit.db, fields.get("phone"), visit.who)
    except (Invalid, TooOften) as error:
        return _page(visit, refused(error, fields), None)
    return _page(visit, FormState(), None, data)


def _page(
    visit: PageRequest,
    entered: FormState,
    person: find_person.FoundPerson | None,
    data: PersonData | None = None,
) -> Response:
    of: dict[str, Any] = {"found": person, "data": data, "labels": delivery_labels}
    of |= {"states": STATES, "reasons": REASONS}
    of["sheet"] = person_data.whole_paper(data) if data else ""
    of |= {"kinds": KINDS, "whys": WHYS, "reads": may(visit.who.role, "read_person_data")}
    return render(visit, "find_person.html", entered.status, entered=entered, **of)


Line = Annotated[int, Path(ge=0, le=LARGEST), Exact]


@router.get("/deliveries/{campaign_id}/{batch_id}/{line}")
async def page_delivery(campaign_id: Id, batch_id: Id, line: Line, visit: Visit) -> Response:
    """Show the delivery of this line of the batch in this campaign."""

    def work(connection: Connection) -> tuple[delivery_history.DeliveryHistory, str]:
        found = delivery_history.read_history(connection, campaign_id, batch_id, line)
        name = connection.execute(select(campaigns.c.name).where(campaigns.c.id == campaign_id)).scalar_one()
        return found, name

    found, name = await visit.db.aread(work)
    return render(
        visit,
        "delivery.html",
        of=found,
        campaign=name,
        labels=delivery_labels,
        area=_area(found.area, found.submitted_at),
    )


def _area(code: str | None, at: datetime | None) -> str | None:
    return None if code is None else areas.name(code, clock.local(at or clock.now()).date())

"""Look one exact number up and list its deliveries; the number is never part of an address."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Response

from app.api.dependencies import Routes
from app.api.token_buckets import TooOften
from app.core.errors import Invalid
from app.core.states import REASON_NAMES, DeliveryState
from app.dispatch import find_person
from app.privacy import person_data
from app.privacy.person_data import HeldKind, HeldWhy, PersonData
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
    HeldKind.ASKED: say("a request of its holder, still open"),
    HeldKind.NAMED: say("messages of somebody else that name it"),
    HeldKind.WRITTEN: say("a record of the agency that names it"),
}
WHYS: dict[str, Said] = {
    HeldWhy.TASK: say("to carry out an official letter's campaign"),
    HeldWhy.PROOF: say("to prove what was sent and received, until its term is over"),
    HeldWhy.REQUEST: say("to heed what its holder asked for"),
    HeldWhy.OTHERS: say("words of somebody else, until their term is over"),
    HeldWhy.RECORDS: say("part of the agency's records, which the program does not erase"),
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
    found: find_person.FoundPerson | None,
    data: PersonData | None = None,
) -> Response:
    of: dict[str, Any] = {"found": found, "data": data, "labels": delivery_labels}
    of |= {"states": STATES, "reasons": REASONS}
    of["sheet"] = person_data.whole_paper(data) if data else ""
    of |= {"kinds": KINDS, "whys": WHYS, "reads": may(visit.who.role, "read_person_data")}
    return render(visit, "find_person.html", entered.status, entered=entered, **of)

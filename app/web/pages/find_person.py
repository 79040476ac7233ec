"""Find what one person got: an exact number in, every campaign's delivery out; the number in no address."""

from __future__ import annotations

from fastapi import Response

from app.api.dependencies import Routes
from app.api.token_buckets import TooOften
from app.core.errors import Invalid
from app.dispatch import find_person
from app.web.rendering import Fields, FormState, PageRequest, Visit, refused, render
from app.web.view_models import delivery_labels

router = Routes(include_in_schema=False)


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


def _page(visit: PageRequest, entered: FormState, found: find_person.FoundPerson | None) -> Response:
    return render(
        visit, "find_person.html", entered.status, entered=entered, found=found, labels=delivery_labels
    )

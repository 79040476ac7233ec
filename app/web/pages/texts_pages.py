"""The texts of messages/, both forms of each with their SMS parts."""

from __future__ import annotations

from fastapi import Response

from app.api.dependencies import Routes
from app.campaigns import text_cost, texts
from app.security.roles import may
from app.web.forms import purposes
from app.web.rendering import Visit, render

router = Routes(include_in_schema=False)


@router.get("/texts")
def page_texts(visit: Visit) -> Response:
    shown = [
        (
            text,
            {"accented": text_cost.preview(text.accented), "unaccented": text_cost.preview(text.unaccented)},
        )
        for text in texts.all_texts()
    ]
    writes = may(visit.who.role, "create_campaign")
    return render(visit, "texts.html", texts=shown, purposes=purposes, writes=writes)

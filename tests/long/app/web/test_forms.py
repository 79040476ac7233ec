"""What every form of every page has in common: only the page itself may send it, and only its own session."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select

from app.database.connection import Database
from app.database.models import audit
from app.security.roles import OPEN, PAGE_DOES, PERMISSIONS
from app.web import routers
from tests.app.client import Client
from tests.long.app.web.conftest import PASSWORD, Paper, token

In = Callable[..., Paper]
FORMS = {
    route.name: route.path.replace("{name}", "nobody")
    for router in routers.ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.name.startswith(PAGE_DOES) and route.name not in OPEN
}
_IDS = (
    "run_id",
    "batch_id",
    "campaign_id",
    "directive_id",
    "link_id",
    "report_id",
    "notice_id",
    "order_id",
)
_IDS += ("plan_id", "request_id", "nth", "sender_name_id", "telephone_id")
NUMBERS = dict.fromkeys(_IDS, "1") | {"carrier": "vnpt", "kid": "k" * 43}


def acts(db: Database) -> int:
    return len(db.read(lambda c: c.execute(select(audit.c.id)).all()))


def test_every_form_does_what_some_operation_of_the_api_does() -> None:
    assert len(FORMS) > 25
    assert {name.removeprefix(PAGE_DOES) for name in FORMS} <= PERMISSIONS.keys()


# What checks them is one place before all of them; `make prove` has each.
SOME = [
    pytest.param(name, marks=() if n % 4 == 0 else pytest.mark.prove) for n, name in enumerate(sorted(FORMS))
]


@pytest.mark.parametrize("name", SOME)
def test_a_form_is_taken_from_its_own_page_alone(
    pages_app: object, signed_in: In, pages_db: Database, name: str
) -> None:
    paper, path = signed_in("admin"), FORMS[name].format_map(NUMBERS)
    own = token(paper.get("/account").text)
    with Client(pages_app) as other:  # type: ignore[arg-type]
        again = Paper(other)
        assert again.sign_in("admin person", PASSWORD).status_code == 303
        others = token(again.get("/account").text)
    before = acts(pages_db)
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    for answer in (
        paper.post(path, {}),
        paper.post(path, {"csrf": ""}),
        paper.post(path, {"csrf": others}),
        paper.post(f"{path}?csrf={own}", {}),  # an address is written down on the way
        paper.post(path, {}, X_CSRF_Token=others),
        paper._keep(paper.client.post(f"{path}?csrf={own}", content=b"--b--", headers=paper._headers(kind))),
        paper._keep(paper.client.post(path, json={"csrf": own}, headers=paper._headers({}))),
    ):
        assert answer.status_code == 403, answer.text
    assert acts(pages_db) == before
    assert paper.post(path, {"csrf": own}).status_code != 403

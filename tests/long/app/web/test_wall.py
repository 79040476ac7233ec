"""The wall screen: a key in the browser opens it and nothing else, and no session's end darkens it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import delete

from app.database.connection import Database
from app.database.models import sessions
from tests.e2e import scene
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


@pytest.fixture
def wall(pages_db: Database, signed_in: In) -> Paper:
    """A browser in which the administrator has begun a wall screen."""
    scene.build(pages_db)
    paper = signed_in()
    refused = paper.send("/keys", "/keys", name="hall", role="operator", carrier="viettel", wall="1")
    assert refused.status_code == 422
    made = paper.send("/keys", "/keys", name="hall", role="auditor", wall="1")
    assert made.headers["location"] == "/wall"
    assert "loa_hall" not in made.text
    return paper


def test_the_total_stays_when_every_session_has_ended(wall: Paper, pages_db: Database) -> None:
    pages_db.write(lambda c: c.execute(delete(sessions)))
    page = wall.get("/wall").text
    assert "1 chiến dịch đang gửi" in text(page)
    assert "mobifone-1" in page
    assert 'data-stream="/wall/events"' in page
    assert "/sign-out" not in page


@pytest.mark.parametrize("key", ["loa_hall_x", "", "x" * 3000])
def test_a_dead_key_in_the_browser_shuts_out_nobody_who_is_signed_in(
    pages_db: Database, signed_in: In, key: str
) -> None:
    scene.build(pages_db)
    paper = signed_in()
    paper.cookies["loa_wall"] = key
    assert paper.get("/wall").status_code == 200
    pages_db.write(lambda c: c.execute(delete(sessions)))
    assert paper.get("/wall").headers["location"].startswith("/sign-in")


def test_the_key_opens_the_wall_alone_and_ends_when_it_is_revoked(wall: Paper, signed_in: In) -> None:
    for path in ("/", "/campaigns", "/audit"):
        assert wall.get(path).status_code == 303
    assert wall.get("/v1/me").status_code == 401
    kept = dict(wall.cookies)
    admin = wall.sign_in(scene.PEOPLE["admin"].name, scene.PASSWORD)
    assert admin.status_code == 303
    assert wall.send("/keys/hall", "/keys/hall/revoke").status_code == 303
    wall.cookies = kept
    assert wall.get("/wall").headers["location"].startswith("/sign-in")

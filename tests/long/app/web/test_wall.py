"""The wall screen: a key in the browser opens it and nothing else, and no session's end darkens it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import delete, update

from app.accounts.service import NewPerson, add_person
from app.core import clock
from app.core.errors import Invalid
from app.database.connection import Database
from app.database.models import campaigns, runs, sessions
from app.security.keys import list_keys
from app.security.roles import Role
from tests.e2e import scene
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


@pytest.fixture
def wall(pages_db: Database, signed_in: In) -> Paper:
    """A browser in which the administrator has begun a wall screen."""
    scene.build(pages_db)
    paper = signed_in()
    made = paper.send("/keys", "/keys", name="hall", role="admin", wall="1")
    assert made.headers["location"] == "/wall"
    assert "loa_hall" not in made.text
    return paper


def test_the_total_stays_when_every_session_has_ended(wall: Paper, pages_db: Database) -> None:
    pages_db.write(lambda c: c.execute(delete(sessions)))
    page = wall.get("/wall").text
    assert "303/CAT-PA05" in text(page)
    assert "mobifone-1" in page
    assert 'data-stream="/wall/events"' in page
    assert "/sign-out" not in page


def test_letters_under_way_are_shown_with_each_carrier_else_the_one_that_was_last(
    wall: Paper, pages_db: Database
) -> None:
    state = update(campaigns).where(campaigns.c.id == 2)
    pages_db.write(lambda c: c.execute(state.values(state="approved")))
    ended = {"state": "finished", "ended_at": clock.now_ms()}
    pages_db.write(lambda c: c.execute(update(runs).where(runs.c.campaign_id == 2).values(ended)))
    page = text(wall.get("/wall").text)
    assert "303/CAT-PA05" in page
    assert "412/CAT-PA05" not in page  # nothing of it is under way
    assert "VNPT VinaPhone đã gửi hết, chờ biên nhận 127.338 / 127.338" in page
    pages_db.write(lambda c: c.execute(update(runs).values(ended)))
    page = text(wall.get("/wall").text)
    assert ("303/CAT-PA05" in page) != ("412/CAT-PA05" in page)


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


def test_the_key_in_the_browser_opens_nothing_to_who_takes_it_out(wall: Paper, pages_db: Database) -> None:
    assert pages_db.read(list_keys)[0].role == Role.WALL
    bearer = {"Authorization": f"Bearer {wall.cookies['loa_wall']}"}
    wall.cookies = {}
    assert wall.get("/wall", **bearer).status_code == 200
    for operation in (
        "/",
        "/campaigns",
        "/links",
        "/reports",
        "/account",
        "/keys",
        "/v1/me",
        "/v1/runs",
        "/v1/audit",
    ):
        assert wall.get(operation, **bearer).status_code == 403, operation


def test_nobody_signs_in_as_a_wall(pages_db: Database, signed_in: In) -> None:
    paper = signed_in()
    assert 'value="wall"' not in paper.get("/people").text
    said = {"name": "hall", "role": "wall", "password": "bon tu chang lien quan"}
    assert paper.send("/people", "/people", **said).status_code == 422
    with pytest.raises(Invalid, match="for API keys only"):
        pages_db.write(add_person, NewPerson("hall", "wall"), "bon tu chang lien quan", "host")


def test_a_key_for_the_wall_is_made_without_a_browser_too(pages_db: Database, signed_in: In) -> None:
    paper = signed_in()
    assert paper.send("/keys", "/keys", name="hall", role="wall").status_code == 201
    assert "màn hình treo tường" in paper.get("/keys").text

"""API keys: list, create, rotate, revoke; a secret is shown once, in the response."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Path, Response

from app.accounts import service
from app.accounts.service import NewKey
from app.api.dependencies import Routes
from app.core.carrier_check import check_own
from app.core.errors import Conflict, Invalid
from app.security import keys, sessions
from app.security.authorization import WALL, cookie_name
from app.security.roles import Role
from app.web import query_params
from app.web.forms import read_fields
from app.web.pages.people_pages import carrier_of, name_of, role_of
from app.web.rendering import (
    Fields,
    FormState,
    PageRequest,
    Visit,
    leave,
    redirect_with_flash,
    refused,
    render,
)
from app.web.translations import say

router = Routes(include_in_schema=False)

_WALL_S = 400 * 86_400  # the longest that browsers keep a cookie; the key ends when it is revoked
Name = Annotated[str, Path(max_length=80)]


@router.get("/keys")
def page_keys(visit: Visit) -> Response:
    return _list(visit, FormState())


@router.post("/keys")
def page_do_add_key(visit: Visit, fields: Fields) -> Response:
    """Create a key as POST /v1/keys does; a repeated submission fails because the name is taken."""
    try:
        name = name_of(fields)
        expires = read_fields.moment(fields, "expires_at")
        wanted = NewKey(name, Role.WALL, None, expires)
        if not fields.get("wall"):
            wanted = NewKey(name, role_of(fields, tuple(Role)), carrier_of(fields), expires)
        check_own(visit.settings, wanted.carrier)
        secret = visit.db.write(service.add_key, wanted, visit.who.name)
    except (Conflict, Invalid) as error:
        return _list(visit, refused(error, fields))
    if fields.get("wall"):
        return _to_the_wall(visit, secret)
    return render(visit, "shown_key.html", 201, name=name, secret=secret)


def _to_the_wall(visit: PageRequest, secret: str) -> Response:
    """Leave the key in this browser, and end the session: nobody sits before a wall screen."""
    visit.db.write(sessions.end_session, visit.request.cookies.get(cookie_name(visit.settings), ""))
    answer = redirect_with_flash(visit, "/wall")
    leave(answer, visit.settings, "loa_session", "", 0)
    leave(answer, visit.settings, WALL, secret, _WALL_S)
    return answer


@router.get("/keys/{name}")
def page_key(name: Name, visit: Visit) -> Response:
    return _one(visit, name, FormState())


@router.post("/keys/{name}/rotate")
def page_do_rotate_key(name: Name, visit: Visit, fields: Fields) -> Response:
    """Rotate the secret; the old one stays valid for the entered hours."""
    try:
        hours = read_fields.needed(fields, "overlap")
        secret = visit.db.write(service.rotate_key, name, timedelta(hours=hours), visit.who.name)
    except (Conflict, Invalid) as error:
        return _one(visit, name, refused(error, fields))
    return render(visit, "shown_key.html", name=name, secret=secret)


@router.post("/keys/{name}/revoke")
def page_do_revoke_key(name: Name, visit: Visit) -> Response:
    visit.db.write(service.revoke_key, name, visit.who.name)
    return redirect_with_flash(visit, "/keys", say("The key {name} is over."), name=name)


def _list(visit: PageRequest, entered: FormState) -> Response:
    found, carriers = visit.db.read(keys.list_keys), query_params.carriers(visit.settings)
    return render(visit, "keys.html", entered.status, entered=entered, keys=found, carriers=carriers)


def _one(visit: PageRequest, name: str, entered: FormState) -> Response:
    return render(visit, "key.html", entered.status, entered=entered, key=visit.db.read(keys.get_key, name))

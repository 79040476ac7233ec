"""Users and API keys: list, add, disable or revoke, reset; a secret is shown once, in the response."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Response

from app.accounts import keys as key_operations
from app.accounts import people
from app.accounts.keys import KeyBody, ShownKey
from app.api.bodies import filled
from app.api.dependencies import Routes
from app.core.errors import Conflict, Invalid
from app.operations import OPERATIONS
from app.security import keys, sessions, users
from app.security.authorization import WALL, cookie_name
from app.security.roles import Role
from app.web import query_params
from app.web.forms import read_fields
from app.web.operation_forms import add_forms
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

router = Routes(include_in_schema=False)

Name = Annotated[str, Path(max_length=80)]


@router.get("/people")
def page_people(visit: Visit) -> Response:
    return _list(visit, FormState())


@router.get("/people/{name}")
def page_person(name: Name, visit: Visit) -> Response:
    return _one(visit, FormState(), name)


def _list(visit: PageRequest, entered: FormState) -> Response:
    found, carriers = visit.db.read(users.everybody), query_params.carriers(visit.settings)
    return render(visit, "people.html", entered.status, entered=entered, people=found, carriers=carriers)


def _one(visit: PageRequest, entered: FormState, name: str) -> Response:
    person = visit.db.read(users.get, name)
    return render(visit, "person.html", entered.status, entered=entered, person=person)


_WALL_S = 400 * 86_400  # the longest that browsers keep a cookie; the key ends when it is revoked


@router.get("/keys")
def page_keys(visit: Visit) -> Response:
    return _keys(visit, FormState())


@router.post("/keys")
def page_do_add_key(visit: Visit, fields: Fields) -> Response:
    """Create a key as POST /v1/keys does; a repeated submission fails because the name is taken."""
    wall = {"role": Role.WALL, "carrier": None} if fields.get("wall") else {}
    try:
        said: dict[str, Any] = {"role": fields.get("role"), "carrier": fields.get("carrier") or None} | wall
        said |= {"name": fields.get("name"), "expires_at": read_fields.moment(fields, "expires_at")}
        body = filled(KeyBody, said)
        made = OPERATIONS["add_key"].run(visit.db, visit.settings, visit.who, body=body)
    except (Conflict, Invalid) as error:
        return _keys(visit, refused(error, fields))
    if wall:
        return _to_the_wall(visit, made.key)
    return render(visit, "shown_key.html", 201, name=made.name, secret=made.key)


def _to_the_wall(visit: PageRequest, secret: str) -> Response:
    """Leave the key in this browser, and end the session: nobody sits before a wall screen."""
    visit.db.write(sessions.end_session, visit.request.cookies.get(cookie_name(visit.settings), ""))
    answer = redirect_with_flash(visit, "/wall")
    leave(answer, visit.settings, "loa_session", "", 0)
    leave(answer, visit.settings, WALL, secret, _WALL_S)
    return answer


@router.get("/keys/{name}")
def page_key(name: Name, visit: Visit) -> Response:
    return _key(visit, FormState(), name)


def _shown(visit: PageRequest, answer: ShownKey) -> Response:
    return render(visit, "shown_key.html", name=answer.name, secret=answer.key)


def _keys(visit: PageRequest, entered: FormState) -> Response:
    found, carriers = visit.db.read(keys.list_keys), query_params.carriers(visit.settings)
    return render(visit, "keys.html", entered.status, entered=entered, keys=found, carriers=carriers)


def _key(visit: PageRequest, entered: FormState, name: str) -> Response:
    key = visit.db.read(keys.get_key, name)
    return render(visit, "key.html", entered.status, entered=entered, key=key)


add_forms(router, key_operations, only={"rotate_key": _key, "revoke_key": None}, shows={"rotate_key": _shown})
add_forms(
    router,
    people,
    only={"add_user": _list, "disable_user": _one, "set_user_password": _one, "sign_out_user": None},
)

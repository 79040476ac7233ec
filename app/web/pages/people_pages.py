"""Users and API keys: list, add, disable or revoke, reset; a secret is shown once, in the response."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from fastapi import Path, Response
from pydantic import TypeAdapter, ValidationError

from app.accounts import schemas, service
from app.accounts.keys import KeyBody, ShownKey
from app.accounts.schemas import TAG
from app.accounts.service import NewPerson
from app.api.bodies import Carrier, filled
from app.api.dependencies import Routes
from app.core.carrier_check import check_own
from app.core.errors import Conflict, Invalid
from app.operations import OPERATIONS
from app.security import keys, sessions, users
from app.security.authorization import WALL, cookie_name
from app.security.passwords import hash_password
from app.security.roles import OF_PEOPLE, Role
from app.web import query_params
from app.web.forms import read_fields
from app.web.operation_forms import add_forms
from app.web.rendering import (
    Fields,
    FormData,
    FormState,
    PageRequest,
    Visit,
    leave,
    redirect_with_flash,
    refused,
    render,
)
from app.web.translations import say
from carriers.phrases import Phrase, join

router = Routes(include_in_schema=False)

Name = Annotated[str, Path(max_length=80)]
_NAMES: TypeAdapter[str] = TypeAdapter(schemas.Name)
_CARRIERS: TypeAdapter[str] = TypeAdapter(Carrier)


@router.get("/people")
def page_people(visit: Visit) -> Response:
    return _list(visit, FormState())


@router.post("/people")
def page_do_add_user(visit: Visit, fields: Fields) -> Response:
    """Add a user as POST /v1/users does."""
    try:
        name = name_of(fields)
        wanted = NewPerson(name, role_of(fields), carrier_of(fields))
        check_own(visit.settings, wanted.carrier)
        hashed = hash_password(fields.raw("password"), name, visit.settings.password_words)
        visit.db.write(service.add_hashed, wanted, hashed, visit.who.name)
    except (Conflict, Invalid) as error:
        return _list(visit, refused(error, fields, "password"))
    return redirect_with_flash(visit, "/people", say("{name} can sign in now."), name=name)


@router.get("/people/{name}")
def page_person(name: Name, visit: Visit) -> Response:
    return _one(visit, name, FormState())


@router.post("/people/{name}/disable")
def page_do_disable_user(name: Name, visit: Visit) -> Response:
    try:
        visit.db.write(service.disable_person, name, visit.who.name)
    except Conflict as error:
        return _one(visit, name, refused(error, FormData()))
    return redirect_with_flash(visit, "/people", say("{name} can no longer sign in."), name=name)


@router.post("/people/{name}/password")
def page_do_set_user_password(name: Name, visit: Visit, fields: Fields) -> Response:
    visit.db.read(users.get, name)
    try:
        hashed = hash_password(fields.raw("password"), name, visit.settings.password_words)
        visit.db.write(service.set_hashed, name, hashed, visit.who.name)
    except Invalid as error:
        return _one(visit, name, refused(error, fields, "password"))
    return redirect_with_flash(
        visit, "/people", say("{name} has a new password. All sessions have ended."), name=name
    )


@router.post("/people/{name}/sign-out")
def page_do_sign_out_user(name: Name, visit: Visit) -> Response:
    visit.db.write(service.end_sessions, name, visit.who.name)
    return redirect_with_flash(visit, "/people", say("{name} was signed out everywhere."), name=name)


def name_of(fields: FormData) -> str:
    """Read the name of a user or key by the API's rule."""
    try:
        return _NAMES.validate_python(fields.get("name"))
    except ValidationError:
        raise Invalid(
            "A name must start with a letter or digit and have at most 80 characters.", field="name"
        ) from None


def role_of(fields: FormData, offered: Collection[Role] = OF_PEOPLE) -> str:
    said = fields.get("role")
    if said not in offered:
        raise Invalid(
            "The role must be one of {roles}.", roles=join(map(Phrase, offered), ", "), field="role"
        )
    return said


def carrier_of(fields: FormData) -> str | None:
    """Read an operator's carrier; the service checks that it fits the role."""
    if not fields.get("carrier"):
        return None
    try:
        return _CARRIERS.validate_python(fields.get("carrier"))
    except ValidationError:
        raise Invalid("A carrier is one lower-case word, for example vnpt.", field="carrier") from None


def _list(visit: PageRequest, entered: FormState) -> Response:
    found, carriers = visit.db.read(users.everybody), query_params.carriers(visit.settings)
    return render(visit, "people.html", entered.status, entered=entered, people=found, carriers=carriers)


def _one(visit: PageRequest, name: str, entered: FormState) -> Response:
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


def _shown(visit: PageRequest, made: ShownKey) -> Response:
    return render(visit, "shown_key.html", name=made.name, secret=made.key)


def _keys(visit: PageRequest, entered: FormState) -> Response:
    found, carriers = visit.db.read(keys.list_keys), query_params.carriers(visit.settings)
    return render(visit, "keys.html", entered.status, entered=entered, keys=found, carriers=carriers)


def _key(visit: PageRequest, entered: FormState, name: str) -> Response:
    key = visit.db.read(keys.get_key, name)
    return render(visit, "key.html", entered.status, entered=entered, key=key)


add_forms(router, TAG, again={"rotate_key": _key}, shows={"rotate_key": _shown})

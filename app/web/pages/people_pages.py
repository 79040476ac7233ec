"""Users: list, add, disable, reset password, end sessions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from fastapi import Path, Response
from pydantic import TypeAdapter, ValidationError

from app.accounts import schemas, service
from app.accounts.service import NewPerson
from app.api.bodies import Carrier
from app.api.dependencies import Routes
from app.core.carrier_check import check_own
from app.core.errors import Conflict, Invalid
from app.security import users
from app.security.passwords import hash_password
from app.security.roles import OF_PEOPLE, Role
from app.web import query_params
from app.web.rendering import (
    Fields,
    FormData,
    FormState,
    PageRequest,
    Visit,
    redirect_with_flash,
    refused,
    render,
)
from app.web.translations import say

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
    return redirect_with_flash(visit, "/people", say("{name} may sign in now."), name=name)


@router.get("/people/{name}")
def page_person(name: Name, visit: Visit) -> Response:
    return _one(visit, name, FormState())


@router.post("/people/{name}/disable")
def page_do_disable_user(name: Name, visit: Visit) -> Response:
    try:
        visit.db.write(service.disable_person, name, visit.who.name)
    except Conflict as error:
        return _one(visit, name, refused(error, FormData()))
    return redirect_with_flash(visit, "/people", say("{name} is let in no more."), name=name)


@router.post("/people/{name}/password")
def page_do_set_user_password(name: Name, visit: Visit, fields: Fields) -> Response:
    visit.db.read(users.get, name)
    try:
        hashed = hash_password(fields.raw("password"), name, visit.settings.password_words)
        visit.db.write(service.set_hashed, name, hashed, visit.who.name)
    except Invalid as error:
        return _one(visit, name, refused(error, fields, "password"))
    return redirect_with_flash(
        visit, "/people", say("{name} has another password; every session is over."), name=name
    )


@router.post("/people/{name}/sign-out")
def page_do_sign_out_user(name: Name, visit: Visit) -> Response:
    visit.db.write(service.end_sessions, name, visit.who.name)
    return redirect_with_flash(visit, "/people", say("{name} is signed out everywhere."), name=name)


def name_of(fields: FormData) -> str:
    """Read the name of a user or key by the API's rule."""
    try:
        return _NAMES.validate_python(fields.get("name"))
    except ValidationError:
        raise Invalid(
            "A name begins with a letter or a digit; 80 characters at most.", field="name"
        ) from None


def role_of(fields: FormData, offered: Collection[Role] = OF_PEOPLE) -> str:
    said = fields.get("role")
    if said not in offered:
        raise Invalid(f"The role is one of {', '.join(offered)}.", field="role")
    return said


def carrier_of(fields: FormData) -> str | None:
    """Read an operator's carrier; the service checks that it fits the role."""
    if not fields.get("carrier"):
        return None
    try:
        return _CARRIERS.validate_python(fields.get("carrier"))
    except ValidationError:
        raise Invalid("A carrier is written small and in one word, such as vnpt.", field="carrier") from None


def _list(visit: PageRequest, entered: FormState) -> Response:
    found, carriers = visit.db.read(users.everybody), query_params.carriers(visit.settings)
    return render(visit, "people.html", entered.status, entered=entered, people=found, carriers=carriers)


def _one(visit: PageRequest, name: str, entered: FormState) -> Response:
    person = visit.db.read(users.get, name)
    return render(visit, "person.html", entered.status, entered=entered, person=person)

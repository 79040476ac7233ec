"""Users, who sign in with a password and a second factor: list, add, disable, reset, sign out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.accounts import schemas, service
from app.accounts.schemas import NewPasswordBody, PersonBody
from app.accounts.service import NewPerson
from app.api.if_match import people_version
from app.core.carrier_check import check_own
from app.operations import Transaction, Work, operation
from app.security import users
from app.security.passwords import hash_password
from app.security.roles import ADMINS
from app.security.users import Person

TAG = schemas.TAG
UserName = Annotated[str, Field(max_length=80, examples=["lan"])]


@operation(
    "GET /v1/users",
    roles=ADMINS,
    command="user list",
    columns=("name", "role", "carrier", "second_factor", "created_at", "disabled_at"),
)
def list_users(tx: Transaction) -> list[Person]:
    """List all users, disabled ones too."""
    tx.headers["ETag"] = f'"{people_version(tx.connection)}"'
    return users.everybody(tx.connection)


@operation(
    "POST /v1/users",
    roles=ADMINS,
    status=201,
    keyed=False,
    action="person.add",
    audit="added the account {subject}",
    flash="{name} can sign in now.",
    page="/people",
    form="/people",
)
def add_user(work: Work, body: PersonBody) -> Person:
    """Add a user, who may sign in at once."""
    check_own(work.settings, body.carrier)
    wanted = NewPerson(body.name, body.role, body.carrier)
    # Before the transaction, for which it takes too long.
    hashed = hash_password(body.password.get_secret_value(), body.name, work.settings.password_words)
    work.headers["Location"] = "/v1/users"
    return work.db.write(service.add_hashed, wanted, hashed, work.who.name)


@operation(
    "POST /v1/users/{name}/disable",
    roles=ADMINS,
    command="user disable",
    action="person.disable",
    audit="disabled {subject}",
    done="{name} can no longer sign in.",
    facts=lambda result: {"name": result["name"], "disabled": True},
    page="/people",
    form="/people/{name}/disable",
)
def disable_user(tx: Transaction, name: UserName) -> Person:
    """Disable a user and end their sessions. Repeating it changes nothing."""
    return service.disable_person(tx.connection, name, tx.who.name)


@operation(
    "PUT /v1/users/{name}/password",
    roles=ADMINS,
    keyed=False,
    action="person.password",
    audit="changed the password of {subject}",
    flash="{name} has a new password. All sessions have ended.",
    page="/people",
    form="/people/{name}/password",
)
def set_user_password(work: Work, name: UserName, body: NewPasswordBody) -> None:
    """Set a new password for somebody who has lost the old one; ends every session of that user."""
    work.db.read(users.get, name)
    hashed = hash_password(body.password.get_secret_value(), name, work.settings.password_words)
    work.db.write(service.set_hashed, name, hashed, work.who.name)


@operation(
    "POST /v1/users/{name}/sign-out",
    roles=ADMINS,
    command="user sign-out",
    action="person.sessions.end",
    audit="ended sessions of {subject}",
    done="All sessions of {name} have ended.",
    facts=lambda result: {"name": result["name"], "signed_out": True},
    page="/people",
    form="/people/{name}/sign-out",
)
def sign_out_user(tx: Transaction, name: UserName) -> None:
    """End all sessions of a user at once. Repeating it changes nothing."""
    service.end_sessions(tx.connection, name, tx.who.name)

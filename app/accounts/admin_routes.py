"""API routes of users and the audit."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from app.accounts import service
from app.accounts.schemas import TAG, NewPasswordBody, PersonBody
from app.accounts.service import NewPerson
from app.api.dependencies import Config, Db, Page, Paging, Routes, Who, page_of
from app.api.idempotent_route import Acts, unkeyed
from app.api.if_match import people_version
from app.core.carrier_check import check_own
from app.security import audit, users
from app.security.audit import Act, Chain
from app.security.passwords import hash_password
from app.security.users import Person

router = Routes(prefix="/v1", tags=[TAG], route_class=Acts)
Name = Annotated[str, Path(max_length=80, examples=["lan"])]


@router.get("/users")
def list_users(db: Db, who: Who, response: Response) -> list[Person]:
    """List all users, disabled ones too."""
    response.headers["ETag"] = f'"{db.read(people_version)}"'
    return db.read(users.everybody)


@router.post("/users", status_code=201)
@unkeyed
def add_user(body: PersonBody, db: Db, settings: Config, who: Who, response: Response) -> Person:
    """Add a user, who may sign in at once."""
    check_own(settings, body.carrier)
    wanted = NewPerson(body.name, body.role, body.carrier)
    response.headers["Location"] = "/v1/users"
    hashed = hash_password(body.password.get_secret_value(), body.name, settings.password_words)
    return db.write(service.add_hashed, wanted, hashed, who.name)


@router.post("/users/{name}/disable")
def disable_user(name: Name, db: Db, who: Who) -> Person:
    """Disable a user and end its sessions. Repeating it changes nothing."""
    return db.write(service.disable_person, name, who.name)


@router.put("/users/{name}/password", status_code=204)
@unkeyed
def set_user_password(name: Name, body: NewPasswordBody, db: Db, settings: Config, who: Who) -> None:
    """Set a new password for somebody who has lost the old one; ends every session of that user."""
    hashed = hash_password(body.password.get_secret_value(), name, settings.password_words)
    db.write(service.set_hashed, name, hashed, who.name)


audit_router = Routes(prefix="/v1/audit", tags=["audit"])


@audit_router.get("")
def list_acts(db: Db, who: Who, paging: Paging) -> Page[Act]:
    """List what people did, in order; each act's hash covers its content and the hash of the act before."""
    return page_of(db.read(audit.listed, paging.after, paging.limit).items, paging)


@audit_router.get("/verification")
def verify_audit(db: Db, who: Who, settings: Config) -> Chain:
    """Recompute the whole chain: how many acts there are, the last one's hash, and the first fault if any.

    With a secret_key each row's seal is checked too; heads kept outside the database are compared.
    """
    return db.read(audit.verify, audit.kept(settings))

"""API routes of users, keys and the audit."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Path, Response

from app.accounts import service
from app.accounts.schemas import KeyBody, NewPasswordBody, PersonBody, RotationBody, ShownKey
from app.accounts.service import NewKey, NewPerson
from app.api.dependencies import Config, Db, Page, Paging, Routes, Who, page_of
from app.api.idempotent_route import Acts, shows_secret, unkeyed
from app.api.if_match import keys_version, people_version
from app.core.carrier_check import check_own
from app.security import ApiKeyView, audit, keys, users
from app.security.audit import Act, Chain
from app.security.passwords import hash_password
from app.security.users import Person

router = Routes(prefix="/v1", tags=["access"], route_class=Acts)
_LOST = (
    "The key “{0}” was {1} under this Idempotency-Key. Its secret was shown once and is stored nowhere; if "
    "it never reached you, rotate the key (POST /v1/keys/{{name}}/rotate) under a new Idempotency-Key."
)
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


@router.get("/keys")
def list_keys(db: Db, who: Who, response: Response) -> list[ApiKeyView]:
    """List all keys, without their secrets; revoked ones too."""
    response.headers["ETag"] = f'"{db.read(keys_version)}"'
    return db.read(keys.list_keys)


def _made(given: dict[str, Any]) -> str:
    return _LOST.format(given["body"].name, "made")


def _rotated(given: dict[str, Any]) -> str:
    return _LOST.format(given["name"], "rotated")


@router.post("/keys", status_code=201)
@shows_secret(_made)
def add_key(body: KeyBody, db: Db, settings: Config, who: Who, response: Response) -> ShownKey:
    """Create a key. Its secret is shown only once, and stored as a hash."""
    check_own(settings, body.carrier)
    wanted = NewKey(body.name, body.role, body.carrier, body.expires_at)
    response.headers["Location"] = "/v1/keys"
    return ShownKey(name=body.name, key=db.write(service.add_key, wanted, who.name))


@router.post("/keys/{name}/rotate")
@shows_secret(_rotated)
def rotate_key(name: Name, db: Db, who: Who, body: RotationBody | None = None) -> ShownKey:
    """Give a key a new secret, shown only once; the old one stays valid for a while."""
    overlap = timedelta(hours=(body or RotationBody(overlap_hours=24)).overlap_hours)
    return ShownKey(name=name, key=db.write(service.rotate_key, name, overlap, who.name))


@router.delete("/keys/{name}", status_code=204)
def revoke_key(name: Name, db: Db, who: Who) -> None:
    """Revoke a key at once. Repeating it changes nothing."""
    db.write(service.revoke_key, name, who.name)


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

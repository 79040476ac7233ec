"""API keys: a secret is shown once, and stored as a hash (app/security/keys.py)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field

from app.accounts import schemas
from app.accounts.schemas import Name
from app.api.bodies import Carrier, NoMobile, StrictBody
from app.api.if_match import keys_version
from app.core.carrier_check import check_own
from app.operations import Transaction, operation
from app.security import ApiKeyView, keys
from app.security.roles import ADMINS, Role

TAG = schemas.TAG
_LOST = (
    "The key “{0}” was {1} under this Idempotency-Key. Its secret was shown once and is stored nowhere; if "
    "it never reached you, rotate the key (POST /v1/keys/{{name}}/rotate) under a new Idempotency-Key."
)
KeyName = Annotated[str, Field(max_length=80, examples=["lan"])]


class KeyBody(StrictBody):
    """A key; `carrier` for an operator, and for nobody else."""

    name: Annotated[Name, NoMobile] = Field(examples=["phone room"])
    role: Role = Field(examples=["operator"])
    carrier: Carrier | None = Field(None, examples=["viettel"])
    expires_at: AwareDatetime | None = Field(None, examples=["2031-01-01T00:00:00+07:00"])


class RotationBody(StrictBody):
    """How long the old secret stays valid, so that nothing that uses it stops meanwhile."""

    overlap_hours: float = Field(24, ge=0, le=720, examples=[24])


class ShownKey(BaseModel):
    """A key's secret. Shown only once."""

    name: str = Field(examples=["phone room"])
    key: str = Field(examples=["loa_0a1b2c3d_..."])


def _made(arguments: dict[str, Any]) -> str:
    return _LOST.format(arguments["body"].name, "made")


def _rotated(arguments: dict[str, Any]) -> str:
    return _LOST.format(arguments["name"], "rotated")


@operation(
    "GET /v1/keys",
    roles=ADMINS,
    command="key list",
    columns=("name", "prefix", "role", "carrier", "created_at", "expires_at", "last_used_at", "revoked_at"),
)
def list_keys(tx: Transaction) -> list[ApiKeyView]:
    """List all keys, including revoked ones, without their secrets."""
    tx.headers["ETag"] = f'"{keys_version(tx.connection)}"'
    return keys.list_keys(tx.connection)


@operation(
    "POST /v1/keys",
    roles=ADMINS,
    action="key.add",
    audit="made {subject}",
    status=201,
    secret=_made,
)
def add_key(tx: Transaction, body: KeyBody) -> ShownKey:
    """Create a key. Its secret is shown only once, and stored as a hash."""
    check_own(tx.settings, body.carrier)
    tx.headers["Location"] = "/v1/keys"
    key = keys.create_key(
        tx.connection, body.name, body.role, body.carrier, expires_at=body.expires_at, made_by=tx.who.name
    )
    tx.note(f"key/{body.name}", role=body.role, carrier=body.carrier)
    return ShownKey(name=body.name, key=key)


@operation(
    "POST /v1/keys/{name}/rotate",
    roles=ADMINS,
    action="key.rotate",
    audit="replaced {subject}",
    page="/keys",
    secret=_rotated,
)
def rotate_key(tx: Transaction, name: KeyName, body: RotationBody | None = None) -> ShownKey:
    """Give a key a new secret, shown only once; the old one stays valid for a while."""
    hours = (body or RotationBody(overlap_hours=24)).overlap_hours
    key = keys.rotate_key(tx.connection, name, timedelta(hours=hours), tx.who.name)
    tx.note(f"key/{name}", overlap_hours=round(hours, 2))
    return ShownKey(name=name, key=key)


@operation(
    "DELETE /v1/keys/{name}",
    roles=ADMINS,
    command="key revoke",
    audit="revoked {subject}",
    done="The key {name} was revoked.",
    facts=lambda result: {"name": result["name"], "revoked": True},
    page="/keys",
    form="/keys/{name}/revoke",
)
def revoke_key(tx: Transaction, name: KeyName) -> None:
    """Revoke a key immediately. Repeating it changes nothing."""
    keys.revoke_key(tx.connection, name)
    tx.note(f"key/{name}")

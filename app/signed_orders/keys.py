"""Signing keys of the agency and of carriers: registered by one person, approved by another, revoked, ended.

What makes a key count is its approval request, whose seal needs the secret_key: a row that was inserted into
the database counts for nothing. The agency's private key comes from the settings (order_key) alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AwareDatetime, Field, StringConstraints
from sqlalchemy import Connection, Row, insert, or_, select, update

from app.api.bodies import Carrier, KeptLine, StrictBody
from app.campaigns.approval import FourEyes
from app.core import clock
from app.core.carrier_check import check_own
from app.core.config import Settings
from app.core.errors import Conflict, Invalid, NotFound, no_such
from app.core.masking import mask_values
from app.database.connection import shared_ms
from app.database.models import approval_requests as requests
from app.database.models import signing_keys
from app.operations import Transaction, operation
from app.security import approval_requests, audit, kept_rows
from app.security.approval_requests import RequestKind
from app.security.principal import Caller
from app.security.roles import EVERYBODY, SENDERS, Role
from app.signed_orders import loa_carrier
from app.signed_orders.loa_carrier import Refused
from carriers.phrases import Phrase

if TYPE_CHECKING:  # commands that sign nothing need not load it
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TAG = "signatures"
APPROVERS = frozenset({Role.ADMIN, Role.APPROVER})
Kid = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$"),
    Field(examples=["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]),
]
_FINGERPRINT = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Jwk:
    """A public key by RFC 8037."""

    kty: str
    crv: str
    x: str
    kid: str


@dataclass(frozen=True, slots=True)
class KeySet:
    """Public keys in force, as a JWK Set (RFC 7517)."""

    keys: list[Jwk]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key. carrier: whose, None for the agency; state: asked, active, ended, revoked, or
    altered (outside Loa).

    fingerprint: None until it is approved, so that the approver has to ask the key's holder for it.
    """

    kid: str
    carrier: str | None
    state: str
    fingerprint: str | None
    registered_by: str
    registered_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    ends_at: datetime | None
    revoked_at: datetime | None
    reason: str | None


class SigningKeyBody(StrictBody):
    """A public key to register. replaces: rotates that key, which stays in force for some days more."""

    key: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = Field(
        description="the public key as a JWK with its proof, as new-key writes it",
        examples=['{"kty":"OKP","crv":"Ed25519","x":"11qYAY...","proof":"k3Vd..."}'],
    )
    carrier: Carrier | None = Field(
        None,
        description="the carrier whose key it is; default: the agency, and for an operator its own carrier",
    )
    replaces: Kid | None = Field(None, description="key id (kid) of the key that this one replaces")
    overlap_days: int = Field(7, ge=0, le=90, description="days that the replaced key stays in force")


class FingerprintBody(StrictBody):
    """What the holder of the key has read out over the telephone."""

    fingerprint: Annotated[str, StringConstraints(max_length=80)] = Field(
        description="as its holder reads it out", examples=["90fa cafe a9b1 5566 9854 0f70 c011 7a22"]
    )


class RevokeBody(StrictBody):
    """Why a key is revoked."""

    reason: KeptLine = Field(examples=["The computer with the key was stolen."])


class KeyEndBody(StrictBody):
    """From when on a key no longer counts."""

    at: AwareDatetime = Field(examples=["2031-03-01T00:00:00+07:00"])


@operation(
    "GET /v1/signing-keys",
    roles=EVERYBODY,
    command="signing-key list",
    columns=(
        "kid",
        "carrier",
        "state",
        "fingerprint",
        "registered_by",
        "approved_by",
        "ends_at",
        "revoked_at",
    ),
)
def list_signing_keys(tx: Transaction) -> list[SigningKey]:
    """List the keys that sign orders and results; an operator sees those of the agency and of its carrier."""
    return [_view(tx.connection, row) for row in _rows(tx.connection, tx.who)]


@operation("GET /v1/signing-keys/published", roles=EVERYBODY, command="signing-key publish")
def publish_signing_keys(tx: Transaction) -> KeySet:
    """Publish the valid public keys as a JWK Set; an operator gets those of the agency and of its carrier."""
    in_force = [row for row in _rows(tx.connection, tx.who) if _state(tx.connection, row) == "active"]
    return KeySet([Jwk("OKP", "Ed25519", row.x, row.kid) for row in in_force])


@operation(
    "POST /v1/signing-keys",
    roles=SENDERS,
    command="signing-key register",
    audit="registered {subject}",
    done="Key {kid} is registered. It is valid once another person has approved it.",
    page="/signing-keys",
    status=201,
)
def register_signing_key(tx: Transaction, body: SigningKeyBody) -> SigningKey:
    """Register a public key; another person approves it after comparing its fingerprint by telephone."""
    check_own(tx.settings, body.carrier)
    try:
        key = loa_carrier.parse(body.key.encode("utf-8", "replace"))
        public = loa_carrier.require_proof(key, body.carrier or loa_carrier.AGENCY)
    except Refused as refusal:
        raise Invalid(refusal.template, **refusal.values, field="key") from None
    kid = loa_carrier.kid(public)
    if tx.connection.execute(select(signing_keys.c.id).where(signing_keys.c.kid == kid)).first():
        raise Conflict(
            "The key {kid} is already registered. A revoked key cannot be used again; create a new one.",
            kid=kid,
        )
    if body.replaces and _row(tx, body.replaces).carrier != body.carrier:
        raise Invalid("A key can only replace another key of the same holder.", field="replaces")
    row = {"kid": kid, "carrier": body.carrier, "x": loa_carrier.jwk(public)["x"]}
    wanted: dict[str, Any] = row | {"replaces": body.replaces, "overlap_days": body.overlap_days}
    subject, kind = f"signing-key/{kid}", RequestKind.SIGNING_KEY
    tx.note(subject, carrier=body.carrier, replaces=body.replaces)
    asked = approval_requests.ask(tx.connection, kind, subject, tx.who.name, "", wanted)
    tx.connection.execute(insert(signing_keys).values(row | {"request_id": asked.id}))
    _keep(tx, kid)
    return _view(tx.connection, _row(tx, kid))


@operation(
    "POST /v1/signing-keys/{kid}/approve",
    roles=APPROVERS,
    command="signing-key approve",
    audit="approved {subject}",
    done="Key {kid} is approved. Documents signed with it are accepted from now on.",
    page="/signing-keys",
)
def approve_signing_key(tx: Transaction, kid: Kid, body: FingerprintBody) -> SigningKey:
    """Approve a key that somebody else has registered, by the fingerprint that its holder reads out."""
    row = _row(tx, kid)
    if _state(tx.connection, row) != "asked":
        raise Conflict("The key is not waiting for approval.")
    request = approval_requests.sealed(tx.connection, row.request_id)
    if approval_requests.is_own(tx.connection, tx.who, request):
        raise FourEyes(
            "You registered this key, or gave its registrar their credentials. Someone else must approve it."
        )
    said = "".join(char for char in body.fingerprint.lower() if char in _FINGERPRINT)
    if said != loa_carrier.fingerprint(kid).replace(" ", ""):
        raise Invalid(
            "This is not the fingerprint of the registered key. Compare it with the key's holder over the "
            "telephone; if it still differs, revoke the key: it is not the holder's.",
            field="fingerprint",
        )
    approval_requests.approve(tx.connection, request, tx.who.name)
    replaced = request.wanted["replaces"]
    if replaced:
        ends = shared_ms(tx.connection) + timedelta(days=request.wanted["overlap_days"]) // _MS
        own = (
            signing_keys.c.kid == replaced,
            or_(signing_keys.c.ends_at.is_(None), signing_keys.c.ends_at > ends),
        )
        tx.connection.execute(update(signing_keys).where(*own).values(ends_at=ends))
        _keep(tx, replaced)
    tx.note(f"signing-key/{kid}", registered_by=request.asked_by, replaces=replaced)
    return _view(tx.connection, _row(tx, kid))


@operation(
    "POST /v1/signing-keys/{kid}/revoke",
    roles=SENDERS,
    command="signing-key revoke",
    audit="revoked {subject}",
    done="Key {kid} is revoked. Documents signed with it are rejected from now on.",
    page="/signing-keys",
)
def revoke_signing_key(tx: Transaction, kid: Kid, body: RevokeBody) -> SigningKey:
    """Revoke a key at once and for good, for example because its private part was lost or exposed."""
    row = _own_row(tx, kid)
    if row.revoked_at is not None:
        raise Conflict("The key is revoked already.")
    values = {"revoked_at": shared_ms(tx.connection), "revoked_by": tx.who.name, "reason": body.reason}
    tx.connection.execute(update(signing_keys).where(signing_keys.c.kid == kid).values(values))
    kept = kept_rows.kept(tx.connection, signing_keys, signing_keys.c.kid == kid)
    tx.note(f"signing-key/{kid}", reason=body.reason, kept=kept)
    return _view(tx.connection, _row(tx, kid))


@operation(
    "POST /v1/signing-keys/{kid}/end",
    roles=SENDERS,
    command="signing-key end",
    audit="set the expiry of {subject}",
    done="The key {kid} ends at {ends_at}.",
)
def end_signing_key(tx: Transaction, kid: Kid, body: KeyEndBody) -> SigningKey:
    """Set the time at which a key expires, such as the end of its holder's contract."""
    row, at = _own_row(tx, kid), clock.to_ms(body.at)
    if _state(tx.connection, row) not in ("active", "asked"):
        raise Conflict("The key has expired or been revoked.")
    if at <= shared_ms(tx.connection):
        raise Invalid("Enter a time in the future, or revoke the key to end it at once.", field="at")
    if row.ends_at is not None and at > row.ends_at and _is_replaced(tx.connection, kid):
        raise Invalid(
            "The key was replaced by another one and ends at {ends_at}. Enter an earlier time.",
            ends_at=f"{clock.moment(row.ends_at):%d/%m/%Y %H:%M:%S}",
            field="at",
        )
    tx.connection.execute(update(signing_keys).where(signing_keys.c.kid == kid).values(ends_at=at))
    kept = kept_rows.kept(tx.connection, signing_keys, signing_keys.c.kid == kid)
    tx.note(f"signing-key/{kid}", ends_at=clock.moment(at).isoformat(), kept=kept)
    return _view(tx.connection, _row(tx, kid))


# ---- What others ask of keys


def trusted(connection: Connection, carrier: str | None) -> dict[str, Ed25519PublicKey]:
    """Return the keys of this holder (None: the agency) that are in force, by their kid."""
    own = signing_keys.c.carrier.is_(None) if carrier is None else signing_keys.c.carrier == carrier
    found: dict[str, Ed25519PublicKey] = {}
    for row in connection.execute(select(signing_keys).where(own)).all():
        if _state(connection, row) == "active":
            found[row.kid] = loa_carrier.read_jwk({"kty": "OKP", "crv": "Ed25519", "x": row.x})
    return found


def holders(connection: Connection, kids: list[str]) -> dict[str, tuple[str, str]]:
    """Return state and holder of those of these keys that are registered, to explain a refusal."""
    found = connection.execute(select(signing_keys).where(signing_keys.c.kid.in_(kids))).all()
    return {row.kid: (_state(connection, row), row.carrier or "the agency") for row in found}


def own_key(connection: Connection, settings: Settings, carrier: str | None = None) -> Ed25519PrivateKey:
    """Return the private key of the settings: the agency's, or at a carrier's Loa that of this carrier.

    Raises Conflict unless its public part is a key of this holder in force.
    """
    if settings.order_key is None:
        raise Conflict(
            "There is no key to sign with. Create one with `loa signing-key new FILE`, put it into "
            "the secret file loa_order_key, register FILE.jwk, and have it approved."
        )
    try:
        private = loa_carrier.read_private(settings.order_key.get_secret_value().encode())
    except Refused as refusal:
        raise Conflict(
            "The setting order_key cannot be used: {why}", why=Phrase(refusal.template, **refusal.values)
        ) from None
    kid, whose = loa_carrier.kid(private.public_key()), carrier or "the agency"
    if kid not in trusted(connection, carrier):
        raise Conflict(
            "The key in order_key ({kid}) is not an approved key of {whose}. Register it, "
            "and have it approved.",
            kid=kid,
            whose=whose,
        )
    return private


_MS = timedelta(milliseconds=1)


def _keep(tx: Transaction, kid: str) -> None:
    """Keep the hash of a key's row under its own subject, where `_state` looks for it."""
    kept = kept_rows.kept(tx.connection, signing_keys, signing_keys.c.kid == kid)
    audit.note(tx.connection, tx.who.name, "rows.keep", f"signing-key/{kid}", kept=kept)


def _rows(connection: Connection, who: Caller) -> list[Row[Any]]:
    c = signing_keys.c
    query = select(signing_keys).order_by(c.id)
    if who.carrier is not None:
        query = query.where(or_(c.carrier.is_(None), c.carrier == who.carrier))
    return list(connection.execute(query).all())


def _row(tx: Transaction, kid: str) -> Row[Any]:
    row = next((each for each in _rows(tx.connection, tx.who) if each.kid == kid), None)
    if row is None:
        raise no_such("signing key", "of this kid")
    return row


def _own_row(tx: Transaction, kid: str) -> Row[Any]:
    row = _row(tx, kid)
    if tx.who.carrier not in (None, row.carrier):
        raise NotFound(
            "This key belongs to the agency, and only its administrators can revoke it. "
            "See your keys: `loa signing-key list`."
        )
    return row


def _request(connection: Connection, row: Row[Any]) -> Row[Any]:
    return connection.execute(select(requests).where(requests.c.id == row.request_id)).one()


def _is_replaced(connection: Connection, kid: str) -> bool:
    """Return whether another key was approved in its place, for so many days as two persons agreed on."""
    own = requests.c.kind == RequestKind.SIGNING_KEY.value, requests.c.approved_at.is_not(None)
    wanted = connection.execute(select(requests.c.wanted).where(*own)).scalars()
    return any(each["replaces"] == mask_values(kid) for each in wanted)


def _state(connection: Connection, row: Row[Any]) -> str:
    if kept_rows.is_altered(connection, signing_keys, row, f"signing-key/{row.kid}"):
        return "altered"
    if row.revoked_at is not None:
        return "revoked"
    if row.ends_at is not None and row.ends_at <= shared_ms(connection):
        return "ended"
    try:
        request = approval_requests.sealed(connection, row.request_id)
    except Conflict:
        return "altered"
    key = mask_values({"kid": row.kid, "carrier": row.carrier, "x": row.x})
    if request.kind != RequestKind.SIGNING_KEY or not key.items() <= request.wanted.items():
        return "altered"
    if not loa_carrier.is_sound(loa_carrier.unb64(row.x, "The key")):  # registered before that was checked
        return "altered"
    return "asked" if request.approved_at is None else "active"


def _view(connection: Connection, row: Row[Any]) -> SigningKey:
    request = _request(connection, row)
    return SigningKey(
        kid=row.kid,
        carrier=row.carrier,
        state=_state(connection, row),
        fingerprint=loa_carrier.fingerprint(row.kid) if request.approved_at is not None else None,
        registered_by=request.asked_by,
        registered_at=clock.moment(request.asked_at),
        approved_by=request.approved_by,
        approved_at=clock.moment(request.approved_at),
        ends_at=clock.moment(row.ends_at),
        revoked_at=clock.moment(row.revoked_at),
        reason=row.reason,
    )

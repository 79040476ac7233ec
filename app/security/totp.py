"""Second factor: TOTP codes (RFC 6238), each accepted once, and recovery codes for a lost phone."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from typing import Any

import pyotp
from sqlalchemy import Connection, Row, delete, insert, select, update

from app.core import clock
from app.core.errors import Conflict, Forbidden, Invalid
from app.database.models import people, recovery_codes
from app.security import account_stamps
from app.security.principal import Caller
from app.security.secret_encryption import Vault

ISSUER = "Loa"
RECOVERY_CODES = 10
# All that somebody without a required second factor may do: set it up, or leave.
WITHOUT = frozenset(
    {"get_me", "enrol_totp", "confirm_totp", "change_password", "log_out", "page_second_factor"}
)
_STEP_S = 30
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without look-alikes


class FactorWanted(Forbidden):
    """Your role requires a second factor, and you have none yet.

    Set it up on the page `/second-factor`, or with `POST /v1/me/totp` and `/v1/me/totp/confirm`. Until then
    you can only do that, change your password and sign out.
    """

    slug, title = "second-factor-wanted", "A second factor is wanted"


def require(caller: Caller, operation: str, roles: Collection[str]) -> None:
    """Raise FactorWanted for a person who needs a second factor and has none, except to set one up."""
    if caller.factor or caller.role not in roles or operation in WITHOUT:
        return
    raise FactorWanted(
        "Your role requires a second factor. Set it up at /second-factor, with POST /v1/me/totp "
        "and /v1/me/totp/confirm, or with `loa user totp NAME` on the host."
    )


def enrol(connection: Connection, person: Row[Any], vault: Vault) -> str:
    """Return a new secret, to be shown once and confirmed by a code; Conflict if one is active."""
    check_none(person)
    secret = pyotp.random_base32()
    _set(connection, person.id, totp_secret=vault.seal(person.id, secret))
    return secret


def check_none(person: Row[Any]) -> None:
    if person.totp_since is not None:
        raise Conflict(
            "A second factor is already set up. Have it removed first (`loa user totp NAME --off`)."
        )


def uri(secret: str, name: str) -> str:
    return str(pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER))


def confirm(connection: Connection, person: Row[Any], code: str, vault: Vault) -> list[str]:
    """Activate the secret after checking a code of it; return recovery codes, to be shown once."""
    if person.totp_since is not None or person.totp_secret is None:
        raise Conflict("There is no second factor to confirm. Request one first.")
    if not _use_code(connection, person, code, vault):
        raise Invalid("The code does not match. Check the clock of your phone.", field="code")
    _set(connection, person.id, totp_since=clock.now_ms())
    connection.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person.id))
    codes = ["-".join(_letters(5) for _ in range(6)) for _ in range(RECOVERY_CODES)]
    rows = [{"person_id": person.id, "code_hash": _hash(code)} for code in codes]
    connection.execute(insert(recovery_codes), rows)
    account_stamps.write(connection, recovery_codes, recovery_codes.c.person_id == person.id)
    return codes


def remove(connection: Connection, person_id: int) -> None:
    connection.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))
    _set(connection, person_id, totp_secret=None, totp_since=None)


def passes(connection: Connection, person: Row[Any], code: str | None, vault: Vault) -> bool:
    """Return whether the second factor is correct or none is active; uses the code up."""
    if person.totp_since is None:
        return True
    if not code:
        return False
    # Recovery codes work even if the key that encrypts the app's secret is lost.
    return _use_recovery(connection, person.id, code) or _use_code(connection, person, code, vault)


def unsealed(connection: Connection, vault: Vault) -> list[tuple[int, str]]:
    """Return people whose secret is not encrypted with the current key; Conflict if there is none."""
    c = people.c
    query = select(c.id, c.totp_secret).where(c.totp_secret.is_not(None))
    return [(number, stored) for number, stored in connection.execute(query) if not vault.is_sealed(stored)]


def reseal(connection: Connection, vault: Vault) -> int:
    """Encrypt the rest with the current key; return how many were."""
    old = unsealed(connection, vault)
    for person_id, stored in old:
        row = connection.execute(select(people).where(people.c.id == person_id)).one()
        secret = vault.seal(person_id, vault.open(person_id, stored))
        if account_stamps.holds(connection, people, row):
            _set(connection, person_id, totp_secret=secret)
        else:  # an altered row must not gain a valid stamp by this
            own = update(people).where(people.c.id == person_id)
            connection.execute(own.values(totp_secret=secret))
    return len(old)


def _use_code(connection: Connection, person: Row[Any], code: str, vault: Vault) -> bool:
    """Accept a code of the current step or of the `late_steps` before it, later than the last one used."""
    said, now = code.replace(" ", ""), int(clock.now().timestamp()) // _STEP_S
    totp, right = pyotp.TOTP(vault.open(person.id, person.totp_secret)), 0
    for step in range(now - vault.late_steps, now + 1):
        if secrets.compare_digest(totp.generate_otp(step).encode(), said.encode("utf-8", "replace")):
            right = step
    # Compared in the UPDATE, so that only one of two simultaneous uses succeeds.
    later = (people.c.id == person.id, people.c.totp_step < right)
    return connection.execute(update(people).where(*later).values(totp_step=right)).rowcount == 1


def _use_recovery(connection: Connection, person_id: int, code: str) -> bool:
    c = recovery_codes.c
    own = (c.person_id == person_id, c.code_hash == _hash(code))
    found = connection.execute(select(recovery_codes).where(*own)).first()
    if found is None or not account_stamps.holds(connection, recovery_codes, found):
        return False
    return connection.execute(delete(recovery_codes).where(*own)).rowcount == 1


def _set(connection: Connection, person_id: int, **values: Any) -> None:
    connection.execute(update(people).where(people.c.id == person_id).values(values))
    account_stamps.write(connection, people, people.c.id == person_id)


def _letters(count: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(count))


def _hash(code: str) -> bytes:
    # 148 random bits, so a fast hash is safe.
    plain = code.strip().lower().replace("-", "").replace(" ", "")
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()

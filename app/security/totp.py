"""The second factor: codes of an app (TOTP, RFC 6238), each good once, and codes for a lost telephone."""

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
# What somebody may do whose role wants a second factor, until it is set: set it, go, and no more.
WITHOUT = frozenset(
    {"get_me", "enrol_totp", "confirm_totp", "change_password", "log_out", "page_second_factor"}
)
_STEP_S = 30
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what is read amiss


class FactorWanted(Forbidden):
    """The role works with a second factor only (`second_factor_roles`), and this person has none yet."""

    slug, title = "second-factor-wanted", "A second factor is wanted"


def require(caller: Caller, operation: str, roles: Collection[str]) -> None:
    """FactorWanted for a person without one, whose role is among these, for all but what sets one."""
    if caller.factor or caller.role not in roles or operation in WITHOUT:
        return
    raise FactorWanted(
        "Your role works with a second factor only. Set yours up at /second-factor, by POST /v1/me/totp and "
        "/v1/me/totp/confirm, or `loa user totp NAME` at the host."
    )


def enrol(connection: Connection, person: Row[Any], vault: Vault) -> str:
    """A new secret, shown this once, that counts after a code has confirmed it; Conflict where one counts."""
    check_none(person)
    secret = pyotp.random_base32()
    _set(connection, person.id, totp_secret=vault.seal(person.id, secret))
    return secret


def check_none(person: Row[Any]) -> None:
    """Conflict where a second factor counts."""
    if person.totp_since is not None:
        raise Conflict("A second factor is set already; have it removed first (`loa user totp NAME --off`).")


def uri(secret: str, name: str) -> str:
    """What an authenticator app reads, as a QR code or by hand."""
    return str(pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER))


def confirm(connection: Connection, person: Row[Any], code: str, vault: Vault) -> list[str]:
    """Make the secret count, after a code of it; recovery codes, to be shown this once."""
    if person.totp_since is not None or person.totp_secret is None:
        raise Conflict("There is no second factor to be confirmed; ask for one first.")
    if not _use_code(connection, person, code, vault):
        raise Invalid("The code is not that of the app now; look at the telephone's clock.", field="code")
    _set(connection, person.id, totp_since=clock.now_ms())
    connection.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person.id))
    codes = ["-".join(_letters(5) for _ in range(6)) for _ in range(RECOVERY_CODES)]
    rows = [{"person_id": person.id, "code_hash": _hash(code)} for code in codes]
    connection.execute(insert(recovery_codes), rows)
    account_stamps.write(connection, recovery_codes, recovery_codes.c.person_id == person.id)
    return codes


def remove(connection: Connection, person_id: int) -> None:
    """No second factor any more."""
    connection.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))
    _set(connection, person_id, totp_secret=None, totp_since=None)


def passes(connection: Connection, person: Row[Any], code: str | None, vault: Vault) -> bool:
    """Whether the second factor is given, or none is set; a code that passes is used up."""
    if person.totp_since is None:
        return True
    if not code:
        return False
    # Recovery codes are good though the key be lost that the app's secret is sealed with.
    return _use_recovery(connection, person.id, code) or _use_code(connection, person, code, vault)


def unsealed(connection: Connection, vault: Vault) -> list[tuple[int, str]]:
    """People whose secret is not sealed with the present key; Conflict where there is none."""
    c = people.c
    query = select(c.id, c.totp_secret).where(c.totp_secret.is_not(None))
    return [(number, stored) for number, stored in connection.execute(query) if not vault.is_sealed(stored)]


def reseal(connection: Connection, vault: Vault) -> int:
    """Seal with the present key what is not yet; how many were."""
    old = unsealed(connection, vault)
    for person_id, stored in old:
        row = connection.execute(select(people).where(people.c.id == person_id)).one()
        secret = vault.seal(person_id, vault.open(person_id, stored))
        if account_stamps.holds(connection, people, row):
            _set(connection, person_id, totp_secret=secret)
        else:  # it must not get a stamp by that
            own = update(people).where(people.c.id == person_id)
            connection.execute(own.values(totp_secret=secret))
    return len(old)


def _use_code(connection: Connection, person: Row[Any], code: str, vault: Vault) -> bool:
    """A code of now or of as many steps before as may be late, later than the last one used."""
    said, now = code.replace(" ", ""), int(clock.now().timestamp()) // _STEP_S
    totp, right = pyotp.TOTP(vault.open(person.id, person.totp_secret)), 0
    for step in range(now - vault.late_steps, now + 1):
        if secrets.compare_digest(totp.generate_otp(step).encode(), said.encode("utf-8", "replace")):
            right = step
    # In the update, so that of two who use a code at once one comes in.
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
    # 148 random bits: nothing to guess, so a fast hash is enough.
    plain = code.strip().lower().replace("-", "").replace(" ", "")
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()

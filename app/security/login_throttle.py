"""Growing pauses between failed sign-ins, by name and by address, counted in the database.

An attempt counts as failed before its password is checked and is taken back on success, so that parallel
attempts gain no free guesses. A name's pause is short and does not apply to addresses from which the person
has signed in before, so nobody can lock a person out by failing on purpose.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from sqlalchemy import Connection, delete, insert, select, update

from app.core import clock
from app.core.errors import AppError
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import one_at_a_time
from app.database.models import login_attempts

_FORGOTTEN_MS = 3_600_000  # older failures no longer count
_KNOWN_MS = 90 * 86_400_000
_KNOWN = "known"


class TooManyAttempts(AppError):
    """Too many failed sign-ins for this name or from this address.

    Wait for `Retry-After` seconds. Trying in the meantime does not extend the wait.
    """

    status, slug, title = 429, "too-many-attempts", "Too many failed attempts"


@dataclass(frozen=True, slots=True)
class Rule:
    """`free` failures cost nothing; then pauses of 1 s, 2 s, 4 s ... up to `longest_s`."""

    free: int
    longest_s: int

    def pause_ms(self, failures: int) -> int:
        over = failures - self.free
        return 0 if over <= 0 else 1000 * min(2 ** min(over - 1, 20), self.longest_s)


RULES = {"name": Rule(5, 60), "address": Rule(20, 300)}


@dataclass(frozen=True, slots=True)
class Attempt:
    """Name and address of a sign-in attempt."""

    name: str
    address: str

    def key(self, kind: str) -> str:
        """Return the row's key, hashed because people often type their password as a name."""
        said = {"name": self.name, "address": _network(self.address)}.get(kind, "")
        said = said or f"{self.name}\n{_network(self.address)}"
        return f"{kind}:{hashlib.sha256(said.casefold().encode('utf-8', 'surrogatepass')).hexdigest()[:48]}"


def begin(connection: Connection, attempt: Attempt) -> int:
    """Count the attempt as failed for now; or return the seconds to wait if it comes too early."""
    one_at_a_time(connection, AdvisoryLock.LOGIN_ATTEMPTS)
    now = clock.now_ms()
    connection.execute(delete(login_attempts).where(login_attempts.c.at < now - _FORGOTTEN_MS))
    kinds = ["address"] if _is_known(connection, attempt) else ["name", "address"]
    wait = max(_until(connection, attempt.key(kind)) for kind in kinds) - now
    if wait > 0:
        return math.ceil(wait / 1000)
    for kind in kinds:
        _count(connection, attempt.key(kind), RULES[kind], now)
    return 0


def succeed(connection: Connection, attempt: Attempt) -> None:
    """Take the failed attempt back, and remember that this person signs in from there."""
    one_at_a_time(connection, AdvisoryLock.LOGIN_ATTEMPTS)
    now, c = clock.now_ms(), login_attempts.c
    kinds = ["address"] if _is_known(connection, attempt) else ["name", "address"]
    for kind in kinds:
        row = connection.execute(select(login_attempts).where(c.key == attempt.key(kind))).first()
        if row is not None:
            failures = max(row.failures - 1, 0)
            values = {"failures": failures, "until": row.at + RULES[kind].pause_ms(failures)}
            connection.execute(update(login_attempts).where(c.key == row.key).values(values))
    connection.execute(delete(login_attempts).where(c.key == attempt.key(_KNOWN)))
    known = {"key": attempt.key(_KNOWN), "failures": 0, "until": now + _KNOWN_MS, "at": now + _KNOWN_MS}
    connection.execute(insert(login_attempts).values(known))


def _is_known(connection: Connection, attempt: Attempt) -> bool:
    return _until(connection, attempt.key(_KNOWN)) > 0


def _until(connection: Connection, key: str) -> int:
    query = select(login_attempts.c.until).where(login_attempts.c.key == key)
    return connection.execute(query).scalar() or 0


def _count(connection: Connection, key: str, rule: Rule, now: int) -> None:
    c = login_attempts.c
    known = connection.execute(select(c.failures).where(c.key == key)).scalar()
    values = {"failures": (known or 0) + 1, "until": now + rule.pause_ms((known or 0) + 1), "at": now}
    if known is None:
        connection.execute(insert(login_attempts).values(key=key, **values))
    else:
        connection.execute(update(login_attempts).where(c.key == key).values(values))


def _network(address: str) -> str:
    """Return an IPv4 address itself, or the /64 network of an IPv6 address."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(ip_network(f"{address.split('%')[0]}/64", strict=False))

"""Seals on do-not-send lists: a row that was removed or added outside Loa is noticed before a list is used.

A seal has the list's size and the sum of a keyed hash of each number, which an addition or a removal moves
without reading the list. The sum is masked, so that nobody learns a number's hash from two seals. The audit
names the number of the last change: an earlier seal that is put back with an earlier list does not pass.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select, text, update

from app.core.errors import Conflict
from app.database.connection import keys_of
from app.database.models import audit, do_not_send, opt_out_seals
from app.security import row_stamps
from app.security.audit import note
from app.security.audit_chain import ACT, bears, is_sealed

_ACTS = tuple(f"do-not-send.{each}" for each in ("add", "remove", "reply", "seal"))
_SIZE, _MODULUS = 16, 1 << 128
_AT_ONCE = 10_000  # rows in memory
_BEGIN = text(
    """
    INSERT INTO opt_out_seals (carrier, version, numbers, total, stamp)
    VALUES (:carrier, :version, :numbers, :total, :stamp) ON CONFLICT (carrier) DO NOTHING
    """
)
_REMEDY = (
    "Compare it with a backup, put back what is missing, then run `loa do-not-send seal --carrier {carrier}`."
)


class _Sum(NamedTuple):
    """How many numbers are on a list, and the sum of their hashes."""

    size: int = 0
    total: int = 0


class Held(NamedTuple):
    """A list that others can't change until this transaction ends; key: the one of its seal."""

    carrier: str
    version: int
    content: _Sum
    key: bytes


def hold(connection: Connection, carrier: str) -> Held | None:
    """Lock a list before it is changed, and before the audit's chain; several in the order of carriers.

    Return None if it has no valid seal that could be moved.

    Nobody's opt-out waits for a seal: it is written down all the same, and the next check names the list.
    """
    keys = keys_of(connection)
    if not keys:
        return None
    s = opt_out_seals.c
    query = select(opt_out_seals).where(s.carrier == carrier).with_for_update()
    row = connection.execute(query).first()
    if row is None and _is_new(connection, carrier):
        _begin(connection, carrier)
        row = connection.execute(query).first()
    return None if row is None else _opened(connection, row)


def move(
    connection: Connection, held: Held | None, added: Iterable[int] = (), removed: Iterable[int] = ()
) -> dict[str, int]:
    """Move the seal by what was added and removed; return what the act of the audit must have."""
    if held is None:
        return {}
    more, fewer = _summed(held.key, held.carrier, added), _summed(held.key, held.carrier, removed)
    size = held.content.size + more.size - fewer.size
    content = _Sum(size, (held.content.total + more.total - fewer.total) % _MODULUS)
    version = held.version + bool(more.size or fewer.size)
    if version != held.version:
        _write(connection, held.carrier, version, content, held.key)
    return {"seal": version}


def problem(connection: Connection, carrier: str) -> str:
    """Return in a sentence how a list differs from what Loa wrote; "" if it does not, or there is no key."""
    if not keys_of(connection):
        return ""
    row = connection.execute(select(opt_out_seals).where(opt_out_seals.c.carrier == carrier)).first()
    remedy = _REMEDY.format(carrier=carrier)
    if row is None:
        if _is_new(connection, carrier):
            return ""
        return f"The do-not-send list of {carrier} has no seal, so it may not be complete. {remedy}"
    held = _opened(connection, row)
    if held is None:
        return f"The seal of the do-not-send list of {carrier} was changed outside Loa. {remedy}"
    if not _is_last_in_audit(connection, held):
        return f"The do-not-send list of {carrier} is an earlier one than the audit names. {remedy}"
    found = _summed(held.key, carrier, _phones(connection, carrier))
    if found == held.content:
        return ""
    return (
        f"The do-not-send list of {carrier} was changed outside Loa: it has {found.size} numbers, and Loa "
        f"left {held.content.size}. {remedy}"
    )


def problems(connection: Connection) -> list[str]:
    """Return what is wrong with any list."""
    return [sentence for each in _carriers(connection) if (sentence := problem(connection, each))]


def seal(connection: Connection, carrier: str, who: str) -> int:
    """Seal a list as it is, once a person has compared it; return how many numbers it has."""
    keys = keys_of(connection)
    if not keys:
        raise Conflict("There is no key to seal the list with. Set secret_key.")
    s = opt_out_seals.c
    row = connection.execute(select(opt_out_seals).where(s.carrier == carrier).with_for_update()).first()
    if row is None:
        _begin(connection, carrier)
    version = 1 + max(row.version if row else 0, _last_version(connection, carrier) or 0)
    content = _summed(keys[0], carrier, _phones(connection, carrier))
    _write(connection, carrier, version, content, keys[0])
    note(connection, who, "do-not-send.seal", f"carrier/{carrier}", numbers=content.size, seal=version)
    return content.size


def adopt(connection: Connection) -> None:
    """Seal the lists that there are, in the migration that introduces seals."""
    for carrier in _carriers(connection) if keys_of(connection) else ():
        seal(connection, carrier, "loa")


def renew(connection: Connection) -> int:
    """Seal by the present key what is sealed by the previous one; return how many lists."""
    count = 0
    query = select(opt_out_seals).order_by(opt_out_seals.c.carrier).with_for_update()
    for row in connection.execute(query).all():
        held = _opened(connection, row)
        if held and held.key != keys_of(connection)[0] and not problem(connection, held.carrier):
            seal(connection, held.carrier, "loa")
            count += 1
    return count


# ---- the seal of one list


def _begin(connection: Connection, carrier: str) -> None:
    """Make the row of a list that was never sealed, unless another transaction does it at this moment."""
    key = keys_of(connection)[0]
    row = {"carrier": carrier, "version": 0, "numbers": 0, "total": _masked(key, carrier, 0, 0)}
    connection.execute(_BEGIN, row | {"stamp": _stamp(key, row)})


def _write(connection: Connection, carrier: str, version: int, content: _Sum, key: bytes) -> None:
    row = {"carrier": carrier, "version": version, "numbers": content.size}
    row["total"] = _masked(key, carrier, version, content.total)
    values = row | {"stamp": _stamp(key, row)}
    connection.execute(update(opt_out_seals).where(opt_out_seals.c.carrier == carrier).values(values))


def _opened(connection: Connection, row: Row[Any]) -> Held | None:
    """Return what a seal says; None if no key of ours made it."""
    for key in keys_of(connection):
        if hmac.compare_digest(_stamp(key, row._mapping), row.stamp):
            total = int(_masked(key, row.carrier, row.version, int(row.total, 16)), 16)
            return Held(row.carrier, row.version, _Sum(row.numbers, total), key)
    return None


def _stamp(key: bytes, row: Any) -> str:
    said = {name: row[name] for name in ("carrier", "version", "numbers", "total")}
    return hmac.digest(key, b"do-not-send " + row_stamps.canonical(said), "sha256").hex()


def _masked(key: bytes, carrier: str, version: int, total: int) -> str:
    mask = hmac.digest(key, f"do-not-send mask {carrier} {version}".encode(), "sha256")[:_SIZE]
    return f"{total ^ int.from_bytes(mask, 'big'):032x}"


def _summed(key: bytes, carrier: str, phones: Iterable[int]) -> _Sum:
    own = hmac.digest(key, f"do-not-send {carrier}".encode(), "sha256")
    blank, count, total = blake2b(digest_size=_SIZE, key=own), 0, 0
    for phone in phones:
        each = blank.copy()
        each.update(b"%d" % phone)
        total += int.from_bytes(each.digest(), "big")
        count += 1
    return _Sum(count, total % _MODULUS)


# ---- what it is compared with


def _phones(connection: Connection, carrier: str) -> Iterator[int]:
    query = select(do_not_send.c.phone).where(do_not_send.c.carrier == carrier)
    rows = connection.execute(query.execution_options(yield_per=_AT_ONCE))
    for some in rows.scalars().partitions():
        yield from some


def _carriers(connection: Connection) -> Sequence[str]:
    """Return the carriers that have a list, or once had one by the audit."""
    a = audit.c
    acts = select(a.subject).where(a.subject.between("carrier/", "carrier0"), a.action.in_(_ACTS)).distinct()
    named = select(do_not_send.c.carrier).union(select(opt_out_seals.c.carrier))
    before = (subject.removeprefix("carrier/") for subject in connection.execute(acts).scalars())
    return sorted({*connection.execute(named).scalars(), *before})


def _is_new(connection: Connection, carrier: str) -> bool:
    """Return whether nothing was ever on this list, by its rows and by the audit."""
    found = select(do_not_send.c.id).where(do_not_send.c.carrier == carrier).limit(1)
    return connection.execute(found).first() is None and not _last_version(connection, carrier)


def _last_act(connection: Connection, carrier: str) -> Row[Any] | None:
    a = audit.c
    query = select(*ACT).where(a.subject == f"carrier/{carrier}", a.action.in_(_ACTS))
    return connection.execute(query.order_by(a.id.desc()).limit(1)).first()


def _last_version(connection: Connection, carrier: str) -> int | None:
    act = _last_act(connection, carrier)
    return None if act is None else json.loads(act.stored).get("seal")


def _is_last_in_audit(connection: Connection, held: Held) -> bool:
    """Check that the audit's last act on the list left this seal; its oldest acts are erased after years."""

    def find() -> Row[Any] | None:
        act = _last_act(connection, held.carrier)
        if act is not None:
            return act
        oldest = connection.execute(select(*ACT).order_by(audit.c.id).limit(1)).first()
        return None if oldest is None or oldest.id == 1 else oldest

    def is_it(act: Row[Any]) -> bool:
        if act.action not in _ACTS:
            return True
        return json.loads(act.stored).get("seal") == held.version and is_sealed(connection, act)

    if held.version == 0 and _last_act(connection, held.carrier) is None:
        return True
    return bears(connection, f"list {held.carrier} {held.version}", find, is_it)

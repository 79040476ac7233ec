"""People who may sign in: adding them, disabling them, and setting their passwords."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from app.core import clock
from app.core.errors import Conflict, Invalid, no_such
from app.database.models import people
from app.security import account_stamps
from app.security.credential_provenance import givers
from app.security.principal import AT_KEYBOARD, check_name, check_role
from app.security.sessions import end_all
from carriers.phrases import Phrase

_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Person:
    """A person without password hash and secret."""

    name: str
    role: str
    carrier: str | None
    second_factor: bool
    created_at: datetime
    disabled_at: datetime | None


def add(
    connection: Connection, name: str, role: str, carrier: str | None, hashed: str, given_by: str = ""
) -> Person:
    """Add a person; Conflict if the name is taken. hashed: the password; given_by: who knows it."""
    if len(name) > _LONGEST_NAME:
        raise Invalid("A user's name must have at most {most} characters.", most=_LONGEST_NAME, field="name")
    check_name(connection, name, "person")
    check_role(role, carrier)
    row: dict[str, Any] = {"name": name, "role": role, "carrier": carrier, "created_at": clock.now_ms()}
    row |= {"password_hash": hashed, "behind": _behind(connection, given_by)}
    connection.execute(insert(people).values(row))
    account_stamps.write(connection, people, people.c.name == name)
    return get(connection, name)


def get(connection: Connection, name: str) -> Person:
    return _person(row_of(connection, name))


def everybody(connection: Connection) -> list[Person]:
    """Return all people, disabled ones included, in order of creation."""
    return [_person(row) for row in connection.execute(select(people).order_by(people.c.id))]


def any_known(connection: Connection) -> bool:
    return connection.execute(select(people.c.id).limit(1)).first() is not None


def row_of(connection: Connection, name: str) -> Row[Any]:
    row = find_row(connection, name)
    if row is None:
        raise no_such("person", Phrase("named {name}", name=name[:_LONGEST_NAME]), field="name")
    return row


def find_row(connection: Connection, name: str) -> Row[Any] | None:
    if "\x00" in name or not name.isprintable():
        return None  # PostgreSQL would reject the query
    return connection.execute(select(people).where(people.c.name == name)).first()


def genuine(connection: Connection, row: Row[Any]) -> Row[Any]:
    """Return the row; Conflict if it was altered, so that no change of ours gives it a valid stamp."""
    if not account_stamps.holds(connection, people, row):
        raise Conflict(
            "The account {name} was modified outside Loa, or created before secret_key was set. "
            "Check its role; if everything is right, run `loa user sign {same}` on the host.",
            name=row.name,
            same=row.name,
            field="name",
        )
    return row


def set_password(connection: Connection, name: str, hashed: str, given_by: str) -> None:
    """Set a password and end all of the person's sessions. given_by: who knows it.

    Set by the person, it does not change who stands behind the account, who could have done the same.
    """
    row = genuine(connection, row_of(connection, name))
    values: dict[str, Any] = {"password_hash": hashed}
    if given_by != name:
        values["behind"] = _behind(connection, given_by)
    connection.execute(update(people).where(people.c.id == row.id).values(values))
    account_stamps.write(connection, people, people.c.id == row.id)
    end_all(connection, row.id)


def renew_hash(connection: Connection, name: str, old: str, hashed: str) -> None:
    """Store a new hash of the same password, unless the password was changed meanwhile."""
    genuine(connection, row_of(connection, name))
    same = (people.c.name == name, people.c.password_hash == old)
    if connection.execute(update(people).where(*same).values(password_hash=hashed)).rowcount:
        account_stamps.write(connection, people, people.c.name == name)


def disable(connection: Connection, name: str) -> None:
    """Disable a person and end their sessions; repeating does nothing. Conflict for the last admin."""
    row = row_of(connection, name)
    c = people.c
    others = select(c.id).where(c.role == "admin", c.disabled_at.is_(None), c.id != row.id)
    if row.role == "admin" and connection.execute(others).first() is None:
        raise Conflict("{name} is the only administrator. Add another one first.", name=name, field="name")
    active = (c.id == row.id, c.disabled_at.is_(None))
    connection.execute(update(people).where(*active).values(disabled_at=clock.now_ms()))
    account_stamps.write(connection, people, people.c.id == row.id)
    end_all(connection, row.id)


def _behind(connection: Connection, given_by: str) -> list[str]:
    """Return who knows the password. One given on the host is the person's own: accounts begin there."""
    return [] if given_by.endswith(AT_KEYBOARD) else sorted(givers(connection, given_by))


def _person(row: Row[Any]) -> Person:
    disabled = None if row.disabled_at is None else clock.from_ms(row.disabled_at)
    second = row.totp_since is not None
    return Person(row.name, row.role, row.carrier, second, clock.from_ms(row.created_at), disabled)

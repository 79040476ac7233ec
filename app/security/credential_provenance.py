"""Who stands behind an account: anyone who handed out its key or password could act in its name.

This is recorded at the time, along with who stood behind the giver, and later credentials do not erase it.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from app.core.errors import Conflict
from app.database.models import api_keys, people
from app.security import account_stamps
from app.security.principal import AT_KEYBOARD, base_name


def behind(connection: Connection, who: str) -> set[str]:
    """Return through whose hands the account's current credentials went; nobody for the command line."""
    if who.endswith(AT_KEYBOARD):
        return set()
    found: set[str] = set()
    for table in (api_keys, people):  # the name is in one of them
        row = connection.execute(select(table).where(table.c.name == who)).first()
        if row is not None and not account_stamps.holds(connection, table, row):
            raise Conflict(
                "The account {name} was modified outside Loa, so it is unknown who supplied it.",
                name=who,
            )
        found.update(row.behind if row is not None else ())
    return found


def givers(connection: Connection, who: str) -> set[str]:
    """Return who stands behind what `who` hands out; nobody if `who` is empty."""
    return {who} | behind(connection, who) if who else set()


def shared(names: set[str], others: set[str]) -> set[str]:
    """Return names on both sides.

    Someone who handed out both sides' credentials only at the command line does not count: every account
    begins on the host, and whoever works there has the database itself.
    """
    alike = {base_name(name) for name in names} & {base_name(name) for name in others}
    return {name for name in alike if name in names | others}

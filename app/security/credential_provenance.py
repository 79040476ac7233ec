"""Who stands behind an account: whoever has given its key or password could act in its name.

It is written down when it happens, with who stood behind the giver at that moment: what is given anew later
does not wash it off.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from app.core.errors import Conflict
from app.database.models import api_keys, people
from app.security import account_stamps
from app.security.principal import AT_KEYBOARD, base_name


def behind(connection: Connection, who: str) -> set[str]:
    """Through whose hands the account's present credentials have gone; none at the keyboard."""
    if who.endswith(AT_KEYBOARD):
        return set()
    found: set[str] = set()
    for table in (api_keys, people):  # a name is in one of them
        row = connection.execute(select(table).where(table.c.name == who)).first()
        if row is not None and not account_stamps.holds(connection, table, row):
            raise Conflict(
                f"The account {who} was changed behind Loa's back, so nobody can say who stands behind it."
            )
        found.update(row.behind if row is not None else ())
    return found


def givers(connection: Connection, who: str) -> set[str]:
    """Who stands behind what `who` gives; nobody where nobody is named."""
    return {who} | behind(connection, who) if who else set()


def shared(some: set[str], others: set[str]) -> set[str]:
    """Who is on both sides, as bare names.

    Not somebody who has only given credentials at the command line on both: that is how the host hands them
    out, and whoever is there has the database itself.
    """
    alike = {base_name(name) for name in some} & {base_name(name) for name in others}
    return {name for name in alike if name in some | others}

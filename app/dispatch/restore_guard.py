"""Where the ledger lives: one that was put back from a backup sends nothing until a person has spoken."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from app.database.models import homes
from app.ledger.contract import Ledger


def moved(connection: Connection, ledger: Ledger) -> bool:
    """Whether this is another database, or another life of it, than the one that was last agreed on."""
    known = _newest(connection)
    return known is not None and known != ledger.home(connection)


def at_home(connection: Connection, ledger: Ledger) -> bool:
    """Whether it may send; a ledger that has never sent is at home where it is."""
    if _newest(connection) is None:
        settle(connection, ledger, "loa")
    return not moved(connection, ledger)


def settle(connection: Connection, ledger: Ledger, who: str) -> None:
    """The ledger lives here from now on."""
    here = {"home": ledger.home(connection), "since": ledger.now_ms(connection), "by": who}
    connection.execute(insert(homes).values(here))


def _newest(connection: Connection) -> str | None:
    return connection.execute(select(homes.c.home).order_by(homes.c.id.desc()).limit(1)).scalar()

"""Find a campaign or a run, and change it only if nobody else has meanwhile."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, bindparam, select, update

from app.core.errors import Conflict, no_such
from app.database.models import campaigns, runs

Record = Row[Any]


def campaign(connection: Connection, campaign_id: int) -> Record:
    return _find(connection, campaigns, campaign_id, "campaign")


def run(connection: Connection, run_id: int) -> Record:
    return _find(connection, runs, run_id, "run")


def _find(connection: Connection, table: Table, row_id: int, what: str) -> Record:
    row = connection.execute(_by_id(table), {"given": row_id}).first()
    if row is None:
        raise no_such(what, row_id)
    return row


@cache
def _by_id(table: Table) -> Select[Any]:
    """Ask for the row of the id `given`; built once, since nearly every request asks it."""
    return select(table).where(table.c.id == bindparam("given"))


def change_campaign(connection: Connection, row: Record, **values: Any) -> None:
    """Write the values and a new version. Raises Conflict if it changed since it was read.

    The update locks the row until the commit, so an edit and a start can't pass each other.
    """
    _write(connection, row, version=row.version + 1, **values)


def hold_campaign(connection: Connection, row: Record) -> None:
    """Lock the campaign until the commit. Raises Conflict if it changed since it was read."""
    _write(connection, row, version=row.version)


def _write(connection: Connection, row: Record, **values: Any) -> None:
    same = (campaigns.c.id == row.id, campaigns.c.version == row.version)
    if connection.execute(update(campaigns).where(*same).values(values)).rowcount == 0:
        raise Conflict(
            "Campaign {campaign} was changed in the meantime. Reload and try again.", campaign=row.id
        )


def change_run(connection: Connection, row: Record, **values: Any) -> None:
    """Write the values. Raises Conflict if the run's state changed since it was read."""
    same = (runs.c.id == row.id, runs.c.state == row.state)
    if connection.execute(update(runs).where(*same).values(values)).rowcount == 0:
        raise Conflict("Run {run} is no longer {state}. Reload and try again.", run=row.id, state=row.state)

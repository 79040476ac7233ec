"""What belongs to the operator of one carrier: anything else is, for it, not there at all.

One look for each id of a path, before the operation itself: what is unknown and what is another's take the
same time and get the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, Table, exists, select

from app.auth.caller import Caller
from app.errors import no_such
from app.models import batches, campaigns, directives, frozen_reports, lanes, receipt_files, runs

_LARGEST = 2**31 - 1

# Parameter of a path -> what it is called, and the table in which it must be the carrier's own.
RULES: Mapping[str, tuple[str, Table]] = {
    "run_id": ("run", runs),
    "batch_id": ("batch", batches),
    "campaign_id": ("campaign", campaigns),
    "other_id": ("campaign", campaigns),
    "directive_id": ("directive", directives),
    "lane_id": ("lane", lanes),
    "report_id": ("report", frozen_reports),
    "file_id": ("receipt file", receipt_files),
}


def own_campaigns(carrier: str) -> ColumnElement[bool]:
    """The campaigns in which this carrier has a run."""
    return exists().where(runs.c.campaign_id == campaigns.c.id, runs.c.carrier == carrier)


def own_directives(carrier: str) -> ColumnElement[bool]:
    """The letters behind these campaigns."""
    return exists().where(campaigns.c.directive_id == directives.c.id, own_campaigns(carrier))


def require_own(connection: Connection, caller: Caller, numbers: Mapping[str, str]) -> None:
    """NotFound where a path's ids are not all of the operator's carrier. numbers: the path's parameters."""
    if caller.carrier is None:
        return
    for name, value in numbers.items():
        if name not in RULES or not (value.isascii() and value.isdecimal() and int(value) <= _LARGEST):
            continue
        what, table = RULES[name]
        own = select(table.c.id).where(table.c.id == int(value), _own(table, caller.carrier))
        if connection.execute(own).first() is None:
            raise no_such(what, int(value))


def _own(table: Table, carrier: str) -> ColumnElement[bool]:
    if table is campaigns:
        return own_campaigns(carrier)
    return own_directives(carrier) if table is directives else table.c.carrier == carrier

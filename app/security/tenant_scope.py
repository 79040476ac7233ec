"""Tenant scope: an operator gets 404 for other carriers' objects.

Authorization checks every id in a path before the route runs, and `Operation.run` before an operation does:
unknown and foreign objects take the same time and get the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

from sqlalchemy import ColumnElement, Connection, Table, exists, or_, select

from app.core import ids
from app.core.errors import no_such
from app.database.models import (
    api_keys,
    attachments,
    batches,
    campaigns,
    directives,
    frozen_reports,
    links,
    people,
    receipt_files,
    runs,
    sender_names,
)
from app.security.principal import Caller
from app.security.roles import Role, may

# Path parameter -> what it is called in errors, and the table in which it must be the carrier's own.
RULES: Mapping[str, tuple[str, Table]] = {
    "run_id": ("run", runs),
    "batch_id": ("batch", batches),
    "campaign_id": ("campaign", campaigns),
    "other_id": ("campaign", campaigns),
    "directive_id": ("directive", directives),
    "link_id": ("link", links),
    "report_id": ("report", frozen_reports),
    "file_id": ("receipt file", receipt_files),
    "sender_name_id": ("sender name", sender_names),
}


def require_walled(operation: str, path: str) -> None:
    """Raise TypeError for an operation open to operators whose path has an id that is in no rule."""
    unknown = {
        name for _, name, *_ in Formatter().parse(path) if name and name.endswith("_id")
    } - RULES.keys()
    if unknown and may(Role.OPERATOR, operation):
        raise TypeError(f"{operation}: RULES has no entry for {min(unknown)}")


def own_campaigns(carrier: str) -> ColumnElement[bool]:
    """Match campaigns in which this carrier has a run."""
    return exists().where(runs.c.campaign_id == campaigns.c.id, runs.c.carrier == carrier)


def own_directives(carrier: str) -> ColumnElement[bool]:
    """Match directives behind these campaigns."""
    return exists().where(campaigns.c.directive_id == directives.c.id, own_campaigns(carrier))


def own_attachments(carrier: str) -> ColumnElement[bool]:
    """Match scans that an account of this carrier uploaded, or that are papers of its sender names.

    It may read them and cite them as evidence.
    """
    handed_in_by = attachments.c.created_by
    keys = select(api_keys.c.name).where(api_keys.c.carrier == carrier)
    persons = select(people.c.name).where(people.c.carrier == carrier)
    papers = select(sender_names.c.attachment_id).where(sender_names.c.carrier == carrier)
    return or_(handed_in_by.in_(keys), handed_in_by.in_(persons), attachments.c.id.in_(papers))


def require_named(connection: Connection, caller: Caller, path_ids: Mapping[str, str]) -> None:
    """Raise NotFound for path ids (`path_ids`) that are not digits, or not of the operator's carrier."""
    numbers: dict[str, int] = {}
    for name, value in path_ids.items():
        if name in RULES:
            number = ids.read(value)
            if not number:  # ids begin with 1
                raise no_such(RULES[name][0], ids.shown(value))
            numbers[name] = number
    require(connection, caller, **numbers)


def require(connection: Connection, caller: Caller, /, **numbers: int) -> None:
    """Raise NotFound if one of these is not of the operator's carrier; names as in RULES."""
    for name, number in numbers.items():
        what, table = RULES[name]
        if caller.carrier is None:
            continue
        own = select(table.c.id).where(table.c.id == number, _own(table, caller.carrier))
        if connection.execute(own).first() is None:
            raise no_such(what, number)


def _own(table: Table, carrier: str) -> ColumnElement[bool]:
    if table is campaigns:
        return own_campaigns(carrier)
    return own_directives(carrier) if table is directives else table.c.carrier == carrier

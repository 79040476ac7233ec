"""Tenant scope: an operator gets 404 for other carriers' objects.

Authorization checks every id in a path before the route runs, and `Operation.run` before an operation does:
unknown and foreign objects take the same time and get the same answer. Names of carriers are no secret: who
names another carrier, at whichever door, is told which is its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from string import Formatter

from sqlalchemy import ColumnElement, Connection, Table, exists, or_, select

from app.core import ids
from app.core.errors import Forbidden, Invalid, no_such
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

CARRIER = "carrier"  # what a name of a carrier is called in paths, queries and forms
# What else stands in paths: texts and public keys are everybody's, and for a document by its hash its route
# looks whose it is.
UNWALLED = frozenset({"key", "kid", "sha256", "form", "line"})


def require_walled(operation: str, path: str, query: Iterable[str] = ()) -> None:
    """Raise TypeError for an operation, open to operators, whose path or query has what is in no wall."""
    walled = {CARRIER, *RULES, *UNWALLED}
    if unknown := {name for _, name, *_ in Formatter().parse(path) if name} - walled:
        raise TypeError(f"{operation}: RULES has no entry for {min(unknown)}")
    if unknown := {name for name in query if names_a_carrier(name)} - walled:
        raise TypeError(f"{operation}: a carrier in a query is called {CARRIER}, not {min(unknown)}")


def names_a_carrier(name: str) -> bool:
    """Return whether a parameter or field is, by its name, about carriers."""
    return "carrier" in name.removesuffix("s").split("_")


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


def own_carrier(caller: Caller, carrier: str | None) -> str | None:
    """Return the carrier, or the operator's own where none is named. Raises Forbidden for another one."""
    if caller.carrier is None:
        return carrier
    if carrier and carrier != caller.carrier:
        raise Forbidden(
            "Your account can only be used for {carrier}.", carrier=caller.carrier, field="carrier"
        )
    return caller.carrier


def named_carrier(caller: Caller, carrier: str | None) -> str:
    """Return it as `own_carrier` does. Raises Invalid if there is neither."""
    own = own_carrier(caller, carrier)
    if not own:
        raise Invalid("Choose a carrier in the field “carrier”.", field="carrier")
    return own


def require_named(
    connection: Connection, caller: Caller, path_names: Mapping[str, str], carriers: Iterable[str] = ()
) -> None:
    """Raise NotFound for ids in a path that are not digits, or not of the operator's carrier.

    carriers: those that the query names. Raises Forbidden for another carrier's name, there or in the path.
    """
    numbers: dict[str, int] = {}
    for carrier in (*carriers, path_names.get(CARRIER)):
        own_carrier(caller, carrier)
    for name, value in path_names.items():
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

"""ETag versions and If-Match: an edit or order applies only to the version that its author has read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, select

from app.core.errors import Invalid, VersionChanged
from app.database.models import addressees, api_keys, campaigns, people, runs

TAG = r'"([A-Za-z0-9._]{1,60})(?:-[0-9a-f]{1,64})?"'
_TAG = re.compile(TAG)


def versions_of(if_match: str) -> set[str]:
    """Return the versions that an If-Match header names; Invalid if one is not an ETag of ours.

    An ETag is "VERSION-HASH". The hash identifies any difference, the version only what a person decides on,
    so that figures changing in the meantime do not prevent an edit.
    """
    found = [_TAG.fullmatch(each.strip()) for each in if_match.split(",")]
    if None in found:
        raise Invalid(
            'If-Match must be the ETag that you have read, for example "3", including the quotation marks.',
            field="If-Match",
        )
    return {each[1] for each in found if each}


def require(connection: Connection, if_match: str, now: str) -> None:
    """Raise VersionChanged unless If-Match names `now`, the current version; `*` matches any."""
    wanted = {now} - {""} if if_match.strip() == "*" else versions_of(if_match)
    if now not in wanted:
        raise VersionChanged(
            "The current version is {now}. Reload, then repeat the changes that still apply.",
            now=now or "none",
        )


def campaign_version(connection: Connection, campaign_id: int) -> str:
    """Return the number that each edit of a campaign increments; "" if there is no campaign."""
    version = connection.execute(select(campaigns.c.version).where(campaigns.c.id == campaign_id)).scalar()
    return "" if version is None else str(version)


def run_version(connection: Connection, run_id: int) -> str:
    """Return what orders to a run depend on: state, priority, rate, campaign version; "" if no run."""
    query = select(runs.c.state, runs.c.priority, runs.c.segments_per_second, campaigns.c.version)
    query = query.join(campaigns, campaigns.c.id == runs.c.campaign_id).where(runs.c.id == run_id)
    row = connection.execute(query).first()
    # The version part of a tag has no minus sign, so priorities count from their minimum, -100.
    return (
        ""
        if row is None
        else ".".join(
            str(each) for each in (row.state, row.priority + 100, row.segments_per_second or 0, row.version)
        )
    )


# Lists whose entries are edited: the version covers the whole list.


def addressees_version(connection: Connection, directive_id: int) -> str:
    """Return a hash of all that is registered on a directive's addressees."""
    a = addressees.c
    return _of(connection, (a.id, a.name, a.kind, a.carrier, a.email), a.directive_id == directive_id)


def people_version(connection: Connection, _name: str = "") -> str:
    """Return a hash of who may sign in; excludes passwords and second factors."""
    p = people.c
    return _of(connection, (p.id, p.name, p.role, p.carrier, p.disabled_at))


def keys_version(connection: Connection, _name: str = "") -> str:
    """Return a hash of the keys as listed, without the time of their last use."""
    k = api_keys.c
    return _of(connection, (k.id, k.name, k.prefix, k.role, k.carrier, k.expires_at, k.revoked_at))


def _of(connection: Connection, columns: Collection[Column[Any]], *where: Any) -> str:
    first = next(iter(columns))
    rows = connection.execute(select(*columns).where(*where).order_by(first)).all()
    return hashlib.sha256(repr([tuple(row) for row in rows]).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Target:
    """Where If-Match applies: paths with `place`, whose `parameter` identifies what `version` reads."""

    place: str
    parameter: str
    version: Callable[[Connection, Any], str]


_TARGETS = (
    Target("/runs/{run_id}", "run_id", run_version),
    Target("/campaigns/{campaign_id}", "campaign_id", campaign_version),
    Target("/directives/{directive_id}/addressees", "directive_id", addressees_version),
    Target("/users/{name}", "name", people_version),
    Target("/keys/{name}", "name", keys_version),
)


def target_of(path: str, parameters: Collection[str]) -> Target | None:
    """Return what If-Match refers to on this path, if its endpoint takes that parameter."""
    found = (each for each in _TARGETS if each.place in path and each.parameter in parameters)
    return next(found, None)

"""The bodies of the API, filled from a form: one set of rules for both doors; and what a page was made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection

from app.api import if_match
from app.api.problems import field_error
from app.core.errors import Invalid, VersionChanged

Body = TypeVar("Body", bound=BaseModel)
# Of the campaign as the page shows it: in the form's address, beside what the verb is asked of.
Version = Annotated[str, Query(max_length=12)]


def filled(kind: type[Body], values: Mapping[str, Any]) -> Body:
    """The body with these values; Invalid with a sentence for each field that can't be taken."""
    try:
        return kind(**values)
    except ValidationError as error:
        found = [field_error(dict(each)) for each in error.errors()]
        faults = [(each.field, each.detail) for each in found]
        raise Invalid(" ".join(each.detail for each in found), faults=faults) from None


def as_read(connection: Connection, campaign_id: int, version: str) -> None:
    """VersionChanged where the page was made of another version than there is now."""
    now = if_match.campaign_version(connection, campaign_id)
    if version not in ("", now):
        raise VersionChanged(f"The campaign has version {now} now, not {version}; read it again and repeat.")

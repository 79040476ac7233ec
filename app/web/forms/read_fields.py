"""Numbers and times as people enter them in a form, or a sentence for the field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection

from app.api import if_match
from app.api.problems import field_error
from app.core import clock, ids
from app.core.errors import Invalid, VersionChanged
from app.web.rendering import FormData

# ---- The bodies of the API, filled from a form: one set of rules for both doors; and what a page was made

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


_BETWEEN = str.maketrans("", "", ". \u00a0")  # 412.310 and 412 310 are the same number


def number(fields: FormData, name: str) -> int | None:
    """A whole number, None where the field is empty; Invalid for anything else."""
    said = fields.get(name)
    if not said:
        return None
    plain = said.translate(_BETWEEN)
    if not plain.lstrip("-").isascii() or not plain.lstrip("-").isdecimal() or len(plain) > 12:
        raise Invalid(f"“{said[:20]}” is no whole number; write digits, such as 412310.", field=name)
    return int(plain)


def exact(fields: FormData, name: str) -> int:
    """An id or a version, which the form was given by Loa and sends back as it was."""
    said = fields.raw(name)
    found = ids.read(said)
    if found is None:
        raise Invalid(f"“{said[:20]}” is no whole number; write digits, such as 412310.", field=name)
    return found


def needed(fields: FormData, name: str) -> int:
    """The same where there must be one."""
    found = number(fields, name)
    if found is None:
        raise Invalid("Enter a number here, 0 for none.", field=name)
    return found


def moment(fields: FormData, name: str) -> datetime | None:
    """A time of Viet Nam, as `datetime-local` sends it; None where the field is empty."""
    said = fields.get(name)
    if not said:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        raise Invalid("Write date and time such as 2024-02-05T08:00.", field=name) from None
    found = found if found.tzinfo else found.replace(tzinfo=clock.VIETNAM)
    if clock.to_ms_or_none(found) is None:
        raise Invalid(str(clock.Unreal()), field=name)
    return found

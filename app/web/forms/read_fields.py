"""Reading of numbers and times from form fields, with a sentence for each invalid one."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from fastapi import Query
from sqlalchemy import Connection

from app.api import if_match
from app.core import clock, ids
from app.core.errors import Invalid, VersionChanged
from app.web.rendering import FormData

# The campaign's version when the page was rendered, sent in the form's URL.
Version = Annotated[str, Query(max_length=12)]


def as_read(connection: Connection, campaign_id: int, version: str) -> None:
    """Raise VersionChanged if the page was rendered from another version."""
    now = if_match.campaign_version(connection, campaign_id)
    if version not in ("", now):
        raise VersionChanged(
            "The campaign is now at version {now}, not {version}. Reload and try again.",
            now=now,
            version=version,
        )


_BETWEEN = str.maketrans("", "", ". \u00a0")  # thousands separators: 412.310 and 412 310


def number(fields: FormData, name: str) -> int | None:
    """Return a whole number, None for an empty field; raises Invalid."""
    said = fields.get(name)
    if not said:
        return None
    plain = said.translate(_BETWEEN)
    if not plain.lstrip("-").isascii() or not plain.lstrip("-").isdecimal() or len(plain) > 12:
        raise Invalid(
            "“{said}” is not a whole number. Enter digits only, for example 412310.",
            said=said[:20],
            field=name,
        )
    return int(plain)


def exact(fields: FormData, name: str) -> int:
    """Return an id or version that Loa put into the form."""
    said = fields.raw(name)
    found = ids.read(said)
    if found is None:
        raise Invalid(
            "“{said}” is not a whole number. Enter digits only, for example 412310.",
            said=said[:20],
            field=name,
        )
    return found


def needed(fields: FormData, name: str) -> int:
    """Return a whole number; raises Invalid for an empty field too."""
    found = number(fields, name)
    if found is None:
        raise Invalid("Enter a number, or 0 for none.", field=name)
    return found


# As pages print them. A browser's own fields follow its language: on an English system month and day
# change places, and the day has twice twelve hours.
_DAY = re.compile(r"(?P<day>\d{1,2})[/.-](?P<month>\d{1,2})[/.-](?P<year>\d{4})")
_HOUR = re.compile(r"(?P<hour>\d{1,2})[:h](?P<minute>\d{2})")


def iso_day(text: str) -> str:
    """Return 05/02/2024 as 2024-02-05; anything else as it is."""
    found = _DAY.fullmatch(text.strip())
    return f"{found['year']}-{found['month']:>02}-{found['day']:>02}" if found else text


def iso_moment(text: str) -> str:
    """Return 08:00 05/02/2024, in either order, as 2024-02-05T08:00; anything else as it is."""
    day, hour = _DAY.search(text), _HOUR.search(text)
    if day is None or hour is None or len(text.split()) != 2:
        return text
    return f"{iso_day(day[0])}T{hour['hour']:>02}:{hour['minute']}"


def moment(fields: FormData, name: str) -> datetime | None:
    """Return a moment in Vietnam time, None for an empty field; raises Invalid."""
    said = fields.get(name)
    if not said:
        return None
    try:
        found = datetime.fromisoformat(iso_moment(said))
    except ValueError:
        raise Invalid("Enter a time and date, for example 08:00 05/02/2024.", field=name) from None
    found = found if found.tzinfo else found.replace(tzinfo=clock.VIETNAM)
    if clock.to_ms_or_none(found) is None:
        raise Invalid(str(clock.Unreal()), field=name)
    return found

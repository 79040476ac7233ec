"""Numbers and times as people enter them in a form, or a sentence for the field."""

from __future__ import annotations

from datetime import datetime

from app.core import clock, ids
from app.core.errors import Invalid
from app.web.rendering import FormData

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

"""How one carrier's events look: which field is which, what its values mean, what to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from carriers.contract import LinkError, LinkOptions, Reason, ReceiptStatus
from carriers.options import (
    VIETNAM,
    by,
    flag,
    one_of,
    read_options,
    reasons,
    string,
    utc_offset,
    whole,
)
from carriers.webhook.presets import PRESETS

# The path to a field: ("data", "status") for {"data": {"status": ...}}; () for none.
Path = tuple[str, ...]
TIME_FORMATS = ("iso", "unix", "unix_ms")
_NEW_YEAR = datetime(2024, 1, 1, tzinfo=VIETNAM)


def path(value: object) -> Path:
    """Read a field's name, with a full stop for each step into nested objects; "" for none."""
    if not isinstance(value, str) or len(value) > 200 or (value and not all(value.split("."))):
        raise ValueError('must be the name of a field, nested ones as in "data.status"')
    return tuple(value.split(".")) if value else ()


def paths(value: object) -> tuple[Path, ...]:
    """Read one field name or a list: the first that an event has counts."""
    given = value if isinstance(value, list | tuple) else [value]
    return tuple(found for found in map(path, given) if found)


def statuses(value: object) -> Mapping[str, ReceiptStatus]:
    """Read the carrier's statuses and ours, such as {"1" = "delivered"}; case is ignored."""
    ours = {status.value: status for status in ReceiptStatus}
    if not isinstance(value, Mapping) or not set(map(str, value.values())) <= set(ours):
        raise ValueError(f"must be a table of the carrier's words with words out of: {', '.join(ours)}")
    return {str(word).upper(): ours[str(meaning)] for word, meaning in value.items()}


def time_format(value: object) -> str:
    """Read the name of a usual format, or a strptime format that can read its own output."""
    text = str(value)
    try:
        again = datetime.strptime(_NEW_YEAR.strftime(text), text).replace(tzinfo=VIETNAM)
        readable = "%" in text and again.year == _NEW_YEAR.year
    except ValueError:
        readable = False
    if text not in TIME_FORMATS and not readable:
        raise ValueError(f"must be one of {', '.join(TIME_FORMATS)}, or a format such as %d/%m/%Y %H:%M:%S")
    return text


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """One carrier's events; every field is a setting of the table `map`, and "" means that there is none.

    source: body, query (phone numbers then appear in access logs), or any: the body, or the query if there is
    none; events: the path of the event or array within a JSON body; succeeded, failed: counts that must
    confirm a success; needs_phone: an event without a phone is a total, which says nothing about one
    delivery; time_format: iso, unix, unix_ms, or a strptime format; zone: for times without one.
    """

    source: str = field(default="body", metadata=by(one_of("body", "any", "query")))
    events: Path = field(default=(), metadata=by(path))
    reference: tuple[Path, ...] = field(default=(), metadata=by(paths))
    phone: Path = field(default=(), metadata=by(path))
    status: Path = field(default=("status",), metadata=by(path))
    statuses: Mapping[str, ReceiptStatus] = field(default_factory=dict, metadata=by(statuses))
    succeeded: Path = field(default=(), metadata=by(path))
    failed: Path = field(default=(), metadata=by(path))
    needs_phone: bool = field(default=False, metadata=by(flag))
    code: Path = field(default=(), metadata=by(path))
    reasons: Mapping[str, Reason] = field(default_factory=dict, metadata=by(reasons))
    done_at: Path = field(default=(), metadata=by(path))
    time_format: str = field(default="iso", metadata=by(time_format))
    zone: timezone = field(default=VIETNAM, metadata=by(utc_offset))
    answer: str = field(default='{"status":1}', metadata=by(string(2000)))
    answer_type: str = field(default="application/json", metadata=by(string(100, 3)))
    most_events: int = field(default=5000, metadata=by(whole(1, 50_000)))


def shape_of(link: str, name: str, overrides: Mapping[str, Any]) -> FieldMapping:
    """Return the preset of this name, overridden by the link's own settings; LinkError says what is wrong."""
    if name not in PRESETS:
        raise LinkError(f"Link {link}: there is no webhook format {name!r}; there are: {', '.join(PRESETS)}.")
    preset = PRESETS[name]
    options = {**preset, **{key: _over(preset.get(key), value) for key, value in overrides.items()}}
    shape = read_options(LinkOptions(link, "", 0, options), FieldMapping, "webhook.map")
    if not shape.statuses or not shape.status:
        raise LinkError(f"Link {link}: webhook.map needs status and statuses: the field and its words.")
    if not shape.reference and not shape.phone:
        raise LinkError(f"Link {link}: webhook.map needs reference or phone: what names the message.")
    return shape


def _over(preset: object, overrides: object) -> object:
    """Return the link's own setting; a table is merged into the preset's."""
    return (
        {**preset, **overrides}
        if isinstance(preset, Mapping) and isinstance(overrides, Mapping)
        else overrides
    )

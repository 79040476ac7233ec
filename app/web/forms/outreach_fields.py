"""An addressee's report: form rows to body, and back."""

from __future__ import annotations

from typing import Any

from app.api.bodies import filled
from app.core import ids
from app.core.errors import AppError
from app.reports.figures.addressees import Outreach
from app.reports.intake.schemas import OutreachBody
from app.web.forms import read_fields
from app.web.rendering import FormData, FormState
from app.web.rendering import refused as as_entered

MOST_ROWS = 20
_BLANK_ROWS = 3
_NUMBERS, _WORDS = ("pieces", "reach", "minutes"), ("languages", "url", "note")


def body(fields: FormData) -> OutreachBody:
    """Build the body; raises Invalid per unreadable field."""
    said: dict[str, Any] = {name: fields.get(name) or None for name in ("number", "dated_on", "reason")}
    said["dated_on"] = said["dated_on"] and read_fields.iso_day(said["dated_on"])
    said["note"] = fields.get("paper_note") or None
    said["received_at"] = read_fields.moment(fields, "received_at")
    items = [_item(fields, n) for n in _used(fields)]
    return filled(OutreachBody, said | {"addressee": fields.get("addressee"), "items": items})


def _item(fields: FormData, n: int) -> dict[str, Any]:
    numbers = {name: read_fields.number(fields, f"{name}-{n}") for name in _NUMBERS}
    words = {name: fields.get(f"{name}-{n}") for name in _WORDS}
    return {"channel": fields.get(f"channel-{n}")} | numbers | words


def _used(fields: FormData) -> list[int]:
    """Return the rows with anything beside the channel."""
    return [n for n in range(MOST_ROWS) if any(fields.get(f"{each}-{n}") for each in (*_NUMBERS, *_WORDS))]


def begun(last: Outreach) -> dict[str, str]:
    found: dict[str, str] = {}
    for n, item in enumerate(last.items[:MOST_ROWS]):
        said = {"channel": item.channel, "pieces": item.pieces, "reach": item.reach, "minutes": item.minutes}
        said |= {"languages": item.languages, "url": item.url, "note": item.note}
        found |= {f"{name}-{n}": "" if value is None else str(value) for name, value in said.items()}
    return found


def refused(error: AppError, fields: FormData) -> FormState:
    """Return the form with errors, each item's error at its row."""
    shown, used, errors = as_entered(error, fields), _used(fields), {}
    for name, sentence in error.faults:
        steps = name.split(".")
        row = ids.read(steps[-2]) if "items" in steps[:-2] else None
        if row is not None and row < len(used):
            name = f"{steps[-1]}-{used[row]}"
        errors[name.rpartition(".")[2]] = sentence
    return FormState(shown.values, errors, shown.sentences, shown.slug, shown.status)


def rows(entered: FormState) -> int:
    taken = [n for n in range(MOST_ROWS) if any(entered.values.get(f"{each}-{n}") for each in _NUMBERS)]
    return min(MOST_ROWS, (taken[-1] + 1 if taken else 0) + _BLANK_ROWS)

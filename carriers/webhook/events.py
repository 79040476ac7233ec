"""Split a webhook call into events: JSON, form or query, one event or an array."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from carriers.contract import WebhookRequest
from carriers.webhook.field_mapping import FieldMapping, Path

_FORM = "application/x-www-form-urlencoded"
# Far more than any carrier sends; parse_qsl itself has no limit.
_FIELDS = 200


class Unreadable(ValueError):
    """The whole body or query can't be parsed; the message says what it must be."""


@dataclass(frozen=True, slots=True)
class Events:
    """The events in order; `where`: the array's path, None for a single event."""

    items: list[object]
    where: str | None = None

    def place(self, nth: int) -> str:
        """Return the prefix of a field's name: "[17]." in an array, "" for a single event."""
        return "" if self.where is None else f"{self.where}[{nth}]."


def payload(request: WebhookRequest, shape: FieldMapping) -> bytes:
    """Return what is parsed and therefore signed: the body, or the query if the mapping says so."""
    return request.query.encode("latin-1", "replace") if _in_query(request, shape) else request.body


def _in_query(request: WebhookRequest, shape: FieldMapping) -> bool:
    return shape.source == "query" or (shape.source == "any" and not request.body)


def events_of(request: WebhookRequest, shape: FieldMapping) -> Events:
    """Return the events of a request, at most `most_events`; raises Unreadable."""
    content = payload(request, shape)
    if _in_query(request, shape):
        return Events([_fields(content, "The query")])
    if request.headers.get("content-type", "").lower().startswith(_FORM):
        return Events([_fields(content, "The form")])
    return _limited(_array(_json(content), shape.events), shape)


def take(event: object, path: Path) -> object:
    """Return the value at the path; None if there is none."""
    for name in path:
        # Whatever JSON says is a dict; asking the abstract class takes ten times as long.
        if type(event) is not dict and not isinstance(event, Mapping):
            return None
        event = event.get(name)
    return event


def _fields(content: bytes, what: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(content.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
    except ValueError:
        raise Unreadable(f"{what} must be UTF-8, of at most {_FIELDS} fields.") from None
    return dict(pairs)


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Unreadable("The body is not valid JSON.") from None


def _array(document: object, path: Path) -> Events:
    found = take(document, path)
    if isinstance(found, list):
        return Events(found, ".".join(path))
    if isinstance(found, Mapping):
        return Events([found])
    where = f"{'.'.join(path)} must be" if path else "The body must be"
    raise Unreadable(f"{where} a JSON object, or an array of them.")


def _limited(events: Events, shape: FieldMapping) -> Events:
    if len(events.items) > shape.most_events:
        raise Unreadable(
            f"The array has {len(events.items)} events; send at most {shape.most_events} at once."
        )
    return events

"""Parse requests to the simulated VNPT, and answer in the same format, JSON or XML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from carriers.simulators.web import SimulatedReply, SimulatedRequest
from carriers.xml import Markup, child_text, children, document, local_name, read_xml, write

JSON, XML = "application/json; charset=UTF-8", "text/xml;charset=UTF-8"
Value = str | int | Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One operation: its fields as text, and PARAMS by their numbers."""

    operation: str
    fields: Mapping[str, str]
    params: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")


def kind_of(request: SimulatedRequest) -> str:
    return (
        XML
        if request.body.lstrip().startswith(b"<") or "xml" in request.headers.get("content-type", "")
        else JSON
    )


def read(request: SimulatedRequest) -> Request | None:
    """Parse the request; None if it can't be, such as XML with a bare ampersand."""
    try:
        return (
            _read_xml(read_xml(request.body))
            if kind_of(request) == XML
            else _read_json(json.loads(request.body))
        )
    except (ValueError, RecursionError):
        return None


def _read_xml(root: Element) -> Request | None:
    if local_name(root) != "RQST":
        return None
    fields = {local_name(each): (each.text or "").strip() for each in root if not len(each)}
    params = {child_text(each, "NUM"): child_text(each, "CONTENT") for each in children(root, "PARAMS")}
    return Request(root.get("name") or fields.get("name", ""), fields, params)


def _read_json(whole: Any) -> Request | None:
    found = whole.get("RQST") if isinstance(whole, dict) else None
    if not isinstance(found, dict):
        return None
    fields = {name: value for name, value in found.items() if isinstance(value, str)}
    params = found.get("PARAMS", [])
    pairs = [each for each in params if isinstance(each, dict)] if isinstance(params, list) else []
    return Request(
        fields.get("name", ""),
        fields,
        {str(each.get("NUM", "")): str(each.get("CONTENT", "")) for each in pairs},
    )


def say(kind: str, operation: str, fields: Mapping[str, Value], code: str) -> SimulatedReply:
    """Return RPLY with these fields; `code` is what the report counts."""
    if kind == JSON:
        text = json.dumps({"RPLY": {"name": operation, **fields}}, ensure_ascii=False)
        return SimulatedReply(text.encode(), code, content_type=JSON)
    inside = [write(name, each) for name, value in fields.items() for each in _elements(value)]
    return SimulatedReply(
        document(write("RPLY", *inside, attributes={"name": operation})), code, content_type=XML
    )


def _elements(value: Value) -> Sequence[str]:
    if isinstance(value, str | int):
        return [str(value)]
    return [Markup("".join(write(name, text) for name, text in row.items())) for row in value]

"""A request to a simulated carrier, and its reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl

from carriers.simulators.web.messages import WebMessage


@dataclass(frozen=True)
class SimulatedRequest:
    """A whole request; `taken` collects the messages that it hands over."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    taken: list[WebMessage] = field(default_factory=list)

    @cached_property
    def query(self) -> Mapping[str, str]:
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @cached_property
    def form(self) -> Mapping[str, str]:
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return {}
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """Query and form together, as JSP reads them."""
        return {**self.form, **self.query}


@dataclass(frozen=True, slots=True)
class SimulatedReply:
    """A reply; `code` is the carrier's own code, which the report counts."""

    body: bytes
    code: str
    status: int = 200
    content_type: str = "text/plain; charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()

"""How a call goes, without any input or output: what to send, when to send it again, what the answer is."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx

from loa_client.operation import Call, Event
from loa_client.problems import LoaError, Problem, Unreachable, not_loa, problem_of
from loa_client.values import parse

_LATER = (429, 503)  # nothing was changed; Retry-After tells when to retry
# Before a request was sent, and what never can be.
_UNSENDABLE = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, *_UNSENDABLE)
_NO_REQUEST = (
    "The request cannot be sent: address or key contains a character that HTTP forbids. Copy it again."
)
_MAYBE_DONE = "The request may have been carried out anyway. Check before you repeat it."
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class Send:
    call: Call[Any]


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


Outcome = httpx.Response | httpx.TransportError | None
Steps = Generator[Send | Pause, Outcome, httpx.Response]


class Exchange:
    """What both clients know of their server.

    Reads, PUT, DELETE and what goes under an Idempotency-Key are sent again, with growing pauses, while the
    server is away; anything is where it asks for that. A server that no connection leads to before it has
    ever answered is not waited for: its address is wrong, or it is not up.
    """

    def __init__(self, server: str, patience_s: float) -> None:
        self.server, self.patience_s = server.rstrip("/"), patience_s
        self.answered = False

    def steps(self, call: Call[Any]) -> Steps:
        """Yield what to do next, taking what came of it; return the answer, or raise LoaError."""
        ends, longest, sent = time.monotonic() + self.patience_s, _FIRST_PAUSE_S, False
        while True:
            outcome = yield Send(call)
            if isinstance(outcome, httpx.Response) and not outcome.is_error:
                self.answered = True
                return outcome
            sent |= call.method != "GET" and _was_sent(outcome)
            error = self._error(outcome, sent)
            pause = max(getattr(error, "retry_after_s", 0.0), random.uniform(0, longest))  # noqa: S311
            if not _passes(error, outcome, call) or time.monotonic() + pause > ends:
                raise error
            yield Pause(pause)
            longest = min(2 * longest, _LONGEST_PAUSE_S)

    def _error(self, outcome: Outcome, sent: bool) -> LoaError:
        """Return the error; sent: a request that changes something may have arrived."""
        if isinstance(outcome, httpx.Response):
            self.answered = True
            return problem_of(self.server, outcome)
        if isinstance(outcome, _UNSENDABLE):
            error = Unreachable(_NO_REQUEST)  # what httpx says of it repeats the key
            error.passes = False
            return error
        never = isinstance(outcome, httpx.ConnectError) and not self.answered
        remedy = ". Check the address, and whether `loa up` or `loa serve` is running there" if never else ""
        said = f"The server {self.server} cannot be reached ({outcome}){remedy}."
        error = Unreachable(f"{said} {_MAYBE_DONE}" if sent else said)
        error.passes, error.maybe_done = not never, sent
        return error

    def read(self, call: Call[Any], answer: httpx.Response) -> Any:
        """Return the body as the call's type."""
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if call.answer is None:
            return None
        if call.answer is bytes:
            return answer.content
        try:
            return parse(call.answer, answer.json() if kind == "application/json" else answer.text)
        except (ValueError, TypeError) as error:
            raise not_loa(self.server, error) from None

    def page(self, call: Call[Any], answer: httpx.Response) -> tuple[list[Any], Call[Any] | None]:
        """Return what is on a page, and the call for the following one."""
        found = self.read(replace(call, answer=dict[str, Any]), answer)
        try:
            items = parse(list[call.answer], found["items"])  # type: ignore[name-defined]
            after = found["next"]
        except (KeyError, ValueError, TypeError) as error:
            raise not_loa(self.server, error) from None
        return items, None if after is None else replace(call, query={**call.query, "after": after})


def _was_sent(outcome: Outcome) -> bool:
    return isinstance(outcome, httpx.TransportError) and not isinstance(outcome, _UNSENT)


def _passes(error: LoaError, outcome: Outcome, call: Call[Any]) -> bool:
    if isinstance(error, Unreachable):
        return error.passes and (call.is_repeatable or isinstance(outcome, httpx.ConnectError))
    return isinstance(error, Problem) and error.status in _LATER


class EventReader:
    """Makes events of the lines of a stream; `call` asks for what follows the last one."""

    def __init__(self, call: Call[Event]) -> None:
        self.call, self.is_over = call, False
        self._event = self._data = ""

    def feed(self, line: str) -> Iterator[Event]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "id":
            self.call = replace(self.call, headers={"Last-Event-ID": value})
        elif name == "data":
            self._data = value
        elif not line and self._event:
            yield Event(self._event, self.call.headers.get("Last-Event-ID", ""), json.loads(self._data))
            self.is_over, self._event = self._event == "end", ""

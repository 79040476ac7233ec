"""Queued work, until the carrier's response: messages, parts of long messages, queries; builds their PDUs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from carriers.contract import (
    Accepted,
    Deferred,
    Halted,
    Partial,
    Permit,
    Reason,
    Rejected,
    SubmitResult,
    Unknown,
)
from carriers.smpp.codes import Refusal, refusal
from carriers.smpp.encoding import Template
from carriers.smpp.pdu import HEADER, QUERY_SM, SUBMIT_SM, frame, message_id
from carriers.smpp.receipt import canonical

ReadId = Callable[[bytes], str | None]
PartAnswer = Accepted | Refusal | Unknown  # what became of one part
_pack = HEADER.pack


def submit_sm(template: Template, phone: bytes, sequence: int) -> bytes:
    """Return a whole submit_sm: what is the same for all around the one number."""
    head, tail = template
    return _pack(16 + len(head) + len(phone) + len(tail), SUBMIT_SM, 0, sequence) + head + phone + tail


def id_reader(mode: str, notice: Callable[[str], None]) -> ReadId:
    """Return a function that reads the canonical id of a submit_sm_resp, None without an id.

    notice: called with each id as the carrier wrote it.
    """

    def read(body: bytes) -> str | None:
        raw = message_id(body)
        if not raw:
            return None
        written = raw.decode("latin-1").strip()
        notice(written)
        return canonical(written, mode, "response") or None

    return read


def nack(status: int) -> Refusal | Unknown:
    if status == 0:
        return Unknown("generic_nack without a status")
    return refusal(status)


class PendingSubmit:
    """The messages of one submit() call: results by index, one future for all."""

    __slots__ = ("_left", "_read_id", "done", "permits", "phones", "results", "templates")

    def __init__(self, size: int, read_id: ReadId) -> None:
        self.results: list[SubmitResult | None] = [None] * size
        self.phones: list[bytes] = [b""] * size
        self.permits: list[Permit | None] = [None] * size
        self.templates: list[Template] = [(b"", b"")] * size
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = size
        self._read_id = read_id

    @property
    def submit_call(self) -> PendingSubmit:
        return self

    def settle(self, index: int, result: SubmitResult) -> None:
        """Set the result of one message; exactly once for each."""
        self.results[index] = result
        self._left -= 1
        if not self._left and not self.done.done():
            self.done.set_result(None)

    def may_go(self, index: int) -> bool:
        permit = self.permits[index]
        return permit is None or permit.stands

    def pdu(self, index: int, sequence: int) -> bytes:
        return submit_sm(self.templates[index], self.phones[index], sequence)

    def answered(self, index: int, status: int, body: bytes) -> None:
        self.settle(index, refusal(status) if status else Accepted((self._read_id(body),)))

    def nacked(self, index: int, status: int) -> None:
        self.settle(index, nack(status))

    def lost(self, index: int, why: str) -> None:
        self.settle(index, Unknown(why))

    def unsent(self, index: int, why: Deferred | Halted) -> None:
        self.settle(index, why)


class Retry(Protocol):
    """Schedules parts of a long message to be sent again; False if the link is closing."""

    def __call__(self, multipart: MultipartMessage, parts: Sequence[int]) -> bool: ...


class MultipartMessage:
    """One message of several parts, settled when all parts have results."""

    __slots__ = (
        "_has_begun",
        "_read_id",
        "_retry",
        "_waiting",
        "answers",
        "index",
        "submit_call",
        "templates",
        "tries",
    )

    def __init__(
        self,
        submit_call: PendingSubmit,
        index: int,
        templates: Sequence[Template],
        read_id: ReadId,
        retry: Retry,
    ) -> None:
        self.submit_call, self.index, self.templates = submit_call, index, templates
        self.answers: list[PartAnswer | None] = [None] * len(templates)
        self.tries = 0
        self._has_begun = False
        self._waiting = len(templates)
        self._read_id, self._retry = read_id, retry

    def may_go(self, part: int) -> bool:
        """Once a part was written the others go too: half a message is worse than a late end."""
        permit = self.submit_call.permits[self.index]
        return permit is None or (permit.lasts if self._has_begun else permit.stands)

    def pdu(self, part: int, sequence: int) -> bytes:
        self._has_begun = True
        return submit_sm(self.templates[part], self.submit_call.phones[self.index], sequence)

    def answered(self, part: int, status: int, body: bytes) -> None:
        self._note(part, refusal(status) if status else Accepted((self._read_id(body),)))

    def nacked(self, part: int, status: int) -> None:
        self._note(part, nack(status))

    def lost(self, part: int, why: str) -> None:
        self._note(part, Unknown(why))

    def unsent(self, part: int, why: Deferred | Halted) -> None:
        self._note(part, why)

    def _note(self, part: int, answer: PartAnswer) -> None:
        self.answers[part] = answer
        self._waiting -= 1
        if not self._waiting:
            retry_parts = self._parts_to_retry()
            self._waiting = len(retry_parts)
            if not retry_parts or not self._retry(self, retry_parts):
                self.give_up()

    def _parts_to_retry(self) -> list[int]:
        """Return the parts refused for now while others were taken; resending those makes no copy."""
        kinds = {type(answer) for answer in self.answers}
        if Accepted not in kinds or kinds & {Rejected, Unknown}:
            return []
        return [part for part, answer in enumerate(self.answers) if not isinstance(answer, Accepted)]

    def give_up(self) -> None:
        self.submit_call.settle(self.index, whole([answer for answer in self.answers if answer is not None]))


def whole(answers: Sequence[PartAnswer]) -> SubmitResult:
    """Combine the answers of all parts, in order, into one result."""
    refs = tuple(answer.refs[0] if isinstance(answer, Accepted) else None for answer in answers)
    lost = [answer for answer in answers if isinstance(answer, Unknown)]
    if lost:
        return Unknown(lost[0].reason, refs)
    refused = {
        part: answer for part, answer in enumerate(answers) if not isinstance(answer, Accepted | Unknown)
    }
    if not refused:
        return Accepted(refs)
    worst = min(refused.values(), key=_rank)
    if len(refused) == len(answers):
        return worst
    reason = worst.reason if isinstance(worst, Rejected) else Reason.SYSTEM
    return Partial(refs, tuple(refused), worst.code, reason)


def _rank(answer: Refusal) -> int:
    """Order refusals by weight: permanent, halt, fault, throttling; the lowest decides."""
    if isinstance(answer, Deferred):
        return 2 if answer.counts else 3
    return 0 if isinstance(answer, Rejected) else 1


class PendingQuery:
    """One query_sm: `done` gets the response's body or None; `refused` distinguishes refusal from silence."""

    submit_call = None

    def __init__(self, body: bytes) -> None:
        self.done: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.refused = False
        self._body = body

    def may_go(self, index: int) -> bool:
        return True

    def pdu(self, index: int, sequence: int) -> bytes:
        return frame(QUERY_SM, sequence, self._body)

    def answered(self, index: int, status: int, body: bytes) -> None:
        self.refused = status != 0
        self._settle(None if status else body)

    def nacked(self, index: int, status: int) -> None:
        self._settle(None)

    def lost(self, index: int, why: str) -> None:
        self._settle(None)

    def unsent(self, index: int, why: Deferred | Halted) -> None:
        self._settle(None)

    def _settle(self, body: bytes | None) -> None:
        if not self.done.done():
            self.done.set_result(body)

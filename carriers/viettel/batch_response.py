"""One answer for a list (wsCpMt4): each result is found by our own id and the number, never by place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple
from xml.etree.ElementTree import Element

from carriers.contract import Accepted, OutboundSms, SubmitResult, Unknown
from carriers.viettel.codes import DUPLICATE, CodeTable, Refusal, of_all
from carriers.xml import child_text, children


class BatchItem(NamedTuple):
    """What a `return` or one of its `details` says, as it came."""

    result: str
    message: str
    msg_id: str
    receiver: str


def said(element: Element) -> BatchItem:
    """The words of a `return` or a `details` element; "" where one is missing."""
    return BatchItem(*(child_text(element, name) for name in ("result", "message", "msgId", "receiver")))


class ListAnswer:
    """The answer to one list of `count` messages of one text and sender."""

    def __init__(self, answer: Element, count: int, book: CodeTable) -> None:
        self._book = book
        self._top = said(answer)
        self._details: defaultdict[str, list[BatchItem]] = defaultdict(list)
        for detail in map(said, children(answer, "details")):
            self._details[detail.msg_id].append(detail)
        self._whole = self._of_all(count)

    def result(self, sms: OutboundSms, msg_id: str) -> SubmitResult:
        """What became of the message that went under this id.

        Accepted only where the list was taken, and exactly this id with exactly this number as well.
        """
        result = self._read(sms, self._details[msg_id])
        return replace(result, refs=(msg_id,)) if isinstance(result, Unknown) else result

    def _read(self, sms: OutboundSms, details: Sequence[BatchItem]) -> SubmitResult:
        if any(detail.receiver != sms.phone for detail in details):
            return Unknown("the answer has our id with another number")
        if self._whole is not None:
            return self._whole
        verdicts = {self._verdict(detail, sms.again) for detail in details}
        if len(verdicts) != 1:
            return Unknown("the answer contradicts itself" if verdicts else self._silent())
        return verdicts.pop()

    def _verdict(self, detail: BatchItem, again: bool) -> SubmitResult:
        verdict = self._book.verdict(detail.result, detail.message, again)
        if not isinstance(verdict, Accepted) or detail.result != "1":
            return verdict  # a duplicate that counts as taken went under another id
        if self._top.result != "1":
            return Unknown("the answer takes this message and refuses its list")
        return Accepted((detail.msg_id,))

    def _of_all(self, count: int) -> Refusal | None:
        """The refusal of the whole list, where it can be meant for all; None: the details have to say."""
        if any(detail.result == "1" for details in self._details.values() for detail in details):
            return None
        verdict = self._book.verdict(self._top.result, self._top.message)
        if not isinstance(verdict, Refusal) or verdict == DUPLICATE:  # that says that something was taken
            return None
        return verdict if count == 1 or of_all(verdict) else None

    def _silent(self) -> str:
        words = self._book.quoted(self._top.message)
        return f"the answer does not name this message: result {self._book.quoted(self._top.result)}, {words}"

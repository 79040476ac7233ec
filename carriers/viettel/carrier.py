"""A Viettel link: lists (wsCpMt4) or single messages (wsCpMt, wsCpMtRegDlr), and later queries."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple
from xml.etree.ElementTree import Element

from carriers.contract import (
    Accepted,
    Carrier,
    CheckFinding,
    Encoding,
    LinkOptions,
    OutboundSms,
    OwnFigure,
    Question,
    Reason,
    Receipt,
    Rejected,
    SubmitResult,
    Unknown,
)
from carriers.http import Failure, HttpAnswer, HttpCarrier
from carriers.options import Adapter
from carriers.phrases import Phrase
from carriers.viettel import soap
from carriers.viettel.codes import DUPLICATE, TAKEN, CodeTable, Refusal, bare, of_all
from carriers.viettel.queries import ViettelQueries
from carriers.viettel.settings import LIST, WITH_RECEIPT, ViettelSettings, read_settings
from carriers.xml import Markup, XmlError, child, child_text, children, write


class BatchItem(NamedTuple):
    """The fields of a `return` or of one of its `details`, unchanged."""

    result: str
    message: str
    msg_id: str
    receiver: str


def read_item(element: Element) -> BatchItem:
    """Read a `return` or a `details` element; "" for missing fields."""
    return BatchItem(*(child_text(element, name) for name in ("result", "message", "msgId", "receiver")))


class ListAnswer:
    """The answer to one list of `count` messages with one text and sender.

    Results are matched by our message id and the number, never by position.
    """

    def __init__(self, answer: Element, count: int, book: CodeTable) -> None:
        self._book = book
        self._top = read_item(answer)
        self._details: defaultdict[str, list[BatchItem]] = defaultdict(list)
        for detail in map(read_item, children(answer, "details")):
            self._details[detail.msg_id].append(detail)
        self._list_refusal = self._refusal_of_all(count)

    def result(self, sms: OutboundSms, msg_id: str) -> SubmitResult:
        """Return the result of the message sent under this id.

        Accepted only if the list was taken and names exactly this id with exactly this number.
        """
        result = self._read(sms, self._details[msg_id])
        return replace(result, refs=(msg_id,)) if isinstance(result, Unknown) else result

    def _read(self, sms: OutboundSms, details: Sequence[BatchItem]) -> SubmitResult:
        if any(detail.receiver != sms.phone for detail in details):
            return Unknown("the answer pairs the message id with another number")
        if self._list_refusal is not None:
            return self._list_refusal
        verdicts = {self._verdict(detail) for detail in details}
        if len(verdicts) != 1:
            return Unknown("the answer contradicts itself" if verdicts else self._silent())
        return verdicts.pop()

    def _verdict(self, detail: BatchItem) -> SubmitResult:
        verdict = self._book.verdict(detail.result, detail.message)
        if not isinstance(verdict, Accepted):
            return verdict
        if self._top.result != "1":
            return Unknown("the answer accepts this message but rejects its list")
        return Accepted((detail.msg_id,))

    def _refusal_of_all(self, count: int) -> Refusal | None:
        """Return a refusal of the whole list if it can hold for all; None: the details decide."""
        if any(detail.result == "1" for details in self._details.values() for detail in details):
            return None
        verdict = self._book.verdict(self._top.result, self._top.message)
        if not isinstance(verdict, Refusal) or verdict == DUPLICATE:  # a duplicate means something was taken
            return None
        return verdict if count == 1 or of_all(verdict) else None

    def _silent(self) -> str:
        item = self._book.quoted(self._top.message)
        return Phrase(
            "the answer does not mention this message: result {result}, {words}",
            result=self._book.quoted(self._top.result),
            words=item,
        )


STRANGE = (
    "The carrier keeps rejecting messages with an unknown code. Possible causes: no balance, "
    "sending too fast."
)


def viettel(link: LinkOptions) -> Carrier:
    """Build the link; it can be queried for statuses if its settings define them."""
    return QueriedViettel(link) if link.options.get("dlr_statuses") else ViettelCarrier(link)


class ViettelCarrier(HttpCarrier):
    """contract.Carrier, ListedFailures, OwnFigures and Checked over CcApi."""

    strange = STRANGE
    of_one_number = frozenset({DUPLICATE.code})  # taken before, as its number tells

    def __init__(self, link: LinkOptions) -> None:
        own = self.settings = read_settings(link)
        super().__init__(link, own, own.list_size)
        if not own.accented:
            self.limits = replace(self.limits, encodings=frozenset({Encoding.GSM7}))
        self.receipt_level = own.receipt_level
        self._book = CodeTable(own.messages, [own.password])
        self._lists = own.operation == LIST
        account = (("User", own.user), ("Password", own.password), ("CPCode", own.cp_code))
        self._head = (*account, ("RequestID", own.request_id))
        self.reads = ViettelQueries(self._call, own, self._book, link.name)

    async def hand_over(self, messages: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        refused = self._unsupported(messages[0].text)
        if refused is not None:
            return [refused] * len(messages)
        try:
            return await self._send_list(messages) if self._lists else [await self._send_one(messages[0])]
        except XmlError as error:
            return [Rejected(str(error)[:80], Reason.WRONG_REQUEST)] * len(messages)

    def _unsupported(self, text: str) -> Rejected | None:
        if len(text.encode("utf-8", "surrogatepass")) > self.settings.max_bytes:
            return Rejected("text: too many bytes", Reason.WRONG_REQUEST)
        if self.segments(text) > self.settings.max_segments:
            return Rejected("text: too many parts", Reason.WRONG_REQUEST)
        if not text.isascii() and not self.settings.accented:
            return Rejected("text: this link does not support accents", Reason.WRONG_REQUEST)
        return None

    async def _send_list(self, batch: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        ids = [self._msg_id(sms.key) for sms in batch]
        messages = [
            write("Msg", soap.arguments((("message", sms.text), ("msgId", msg_id), ("receiver", sms.phone))))
            for sms, msg_id in zip(batch, ids, strict=True)
        ]
        head = (
            *self._head,
            ("ServiceID", batch[0].sender),
            ("CommandCode", self.settings.command_code),
            ("ContentType", self._type(batch[0].text)),
        )
        found = await self._submit_by(LIST, soap.arguments(head), *messages)
        if not isinstance(found, Element):
            return [_with_id(found, msg_id) for msg_id in ids]
        answer = ListAnswer(found, len(batch), self._book)
        return [answer.result(sms, msg_id) for sms, msg_id in zip(batch, ids, strict=True)]

    async def _send_one(self, sms: OutboundSms) -> SubmitResult:
        own = self.settings
        pairs = (
            *self._head,
            ("UserID", sms.phone),
            ("ReceiverID", sms.phone),
            ("ServiceID", sms.sender),
            ("CommandCode", own.command_code),
            ("Content", sms.text),
            ("ContentType", self._type(sms.text)),
        )
        found = await self._submit_by(own.operation, soap.arguments(pairs))
        if not isinstance(found, Element):
            return found
        item = read_item(found)
        verdict = self._book.verdict(item.result, item.message)
        return _registered(item, verdict) if own.operation == WITH_RECEIPT else verdict

    async def _submit_by(self, operation: str, *inside: Markup) -> Element | Failure:
        answer = await self._call(operation, *inside)
        if not isinstance(answer, Element):
            return answer
        found = child(answer, "return")
        return (
            Unknown(Phrase("the answer to {operation} is empty", operation=operation))
            if found is None
            else found
        )

    async def _call(self, operation: str, *inside: Markup) -> Element | Failure:
        answer = await self.exchange("POST", content=soap.request(operation, *inside), headers=soap.HEADERS)
        return (
            soap.response(answer, operation, self._book.quoted) if isinstance(answer, HttpAnswer) else answer
        )

    def _msg_id(self, key: str) -> str:
        """Return our id for a message; as a number it fits a Java long, and equal keys give equal ids."""
        key = key or uuid.uuid4().hex
        if self.settings.msg_id == "key":
            return key
        digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
        return str(int.from_bytes(digest) >> 1)

    def _type(self, text: str) -> str:
        """ContentType: T1 and T8 have 0 and 1, T2 and T9 an older F for text."""
        return self.settings.plain_type if text.isascii() else "1"

    async def failures(self, day: date, sender: str) -> Sequence[Receipt]:
        return await self.reads.failures(day, sender)

    async def figures(self, first: date, last: date) -> Sequence[OwnFigure]:
        return await self.reads.figures(first, last)

    async def check(self) -> Sequence[CheckFinding]:
        return await self.reads.check()


class QueriedViettel(ViettelCarrier):
    """Adds contract.QueriedReceipts, for links whose contract says what a dlrStatus means."""

    async def query(self, question: Question) -> Receipt | None:
        return await self.reads.status(question)


def _with_id(failure: Failure, msg_id: str) -> SubmitResult:
    """Keep the id of a message whose answer was lost."""
    return replace(failure, refs=(msg_id,)) if isinstance(failure, Unknown) else failure


def _registered(item: BatchItem, verdict: SubmitResult) -> SubmitResult:
    """Find the id of wsCpMtRegDlr: `result` (a long above 1) or in the message; which is not evidenced."""
    if item.result == "1" and verdict == Accepted():
        numbers = re.findall(r"\d{1,19}", item.message)
        return Accepted((numbers[0],)) if len(numbers) == 1 else verdict
    if re.fullmatch(r"[1-9]\d{0,18}", item.result) and bare(TAKEN) in bare(item.message):
        return Accepted((item.result,))
    return verdict


ADAPTER = Adapter(viettel, ViettelSettings)

"""Send one test message to a listed test number, outside the ledger, and follow what becomes of it.

It is audited. Sentences on results and receipts claim no more than is known.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from app.campaigns import texts
from app.campaigns.drafts import TextForm
from app.core import clock
from app.core.config import LinkSettings
from app.core.errors import Conflict, Invalid
from app.core.phone import REASONS, mask, normalise
from app.database.connection import Database
from app.diagnostics.link_checks import came_up, opened
from app.dispatch import link_store
from app.ledger.contract import Link
from app.ledger.ledger import Ledger
from app.observability.metrics import Metrics
from app.receipts.receipt_writer import Inbox
from app.runtime.worker import build, facts
from app.security import audit
from carriers.causes import cause_of
from carriers.contract import (
    Accepted,
    Acknowledge,
    Carrier,
    Deferred,
    Halted,
    OutboundSms,
    Partial,
    QueriedReceipts,
    Question,
    ReadError,
    Receipt,
    ReceiptLevel,
    ReceiptSink,
    ReceiptStatus,
    Rejected,
    StreamReceipts,
    SubmitResult,
    Unknown,
)
from carriers.phrases import Phrase
from carriers.text import nfc, unaccent

# ---- Text


def wording(key: str | None, text: str | None, form: TextForm, sender: str) -> str:
    """Return the text to send. Raises Invalid unless exactly one of the two is given and not empty."""
    if (key is None) == (text is None):
        raise Invalid(
            "Provide either --text-key (a text from messages/) or --text (your own wording), but not both.",
            field="text",
        )
    if text is not None and not text.strip():
        raise Invalid("--text is empty.", field="text")
    if text is not None:
        return nfc(unaccent(text) if form is TextForm.UNACCENTED else text)
    found = texts.find(key or "")
    return texts.with_sender(found.unaccented if form is TextForm.UNACCENTED else found.accented, sender)


_FAILED = (ReceiptStatus.UNDELIVERED, ReceiptStatus.EXPIRED)


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What a test message needs: the ledger for others' receipts and the audit, and who sends it."""

    db: Database
    ledger: Ledger
    who: str
    say: Say


@dataclass(frozen=True, slots=True)
class SentTestMessage:
    """One test message: the answer, and later receipts in order of arrival."""

    key: str
    result: SubmitResult
    receipts: Sequence[Receipt]

    @property
    def good(self) -> bool:
        failed = any(receipt.status in _FAILED for receipt in self.receipts)
        return isinstance(self.result, Accepted) and not failed

    def record(self, link: str, number: str) -> dict[str, object]:
        """Return all of it for programs; `number` as the person typed it."""
        said = [
            {
                "reference": each.reference,
                "status": each.status.value,
                "level": each.level.name.lower(),
                "code": each.code,
                "meaning": became(each),
            }
            for each in self.receipts
        ]
        result = type(self.result).__name__.lower()
        answer = {"result": result, "answer": answered(self.result)}
        return {
            "link": link,
            "number": number,
            "key": self.key,
            **answer,
            "receipts": said,
            "good": self.good,
        }


def may_be_written_to(name: str, link: LinkSettings, number: str) -> str:
    """Return the number as carriers take it. Raises Invalid unless it is a test number of the link."""
    phone = normalise(number)
    if isinstance(phone, str):
        raise Invalid(
            "{number} is not a valid mobile number: {en}",
            number=mask(number),
            en=REASONS[phone].en,
            field="number",
        )
    if phone not in link.test_numbers:
        raise Invalid(
            "{number} is not a test number of link {name}. Test messages are sent only to test "
            "numbers. First add it to test_numbers in [links.{name}], with its owner's consent.",
            number=mask(number),
            name=name,
            field="number",
        )
    return str(phone)


async def send(
    context: MessageContext, name: str, settings: LinkSettings, sms: OutboundSms, wait_s: float
) -> SentTestMessage:
    """Send one message and follow it for up to `wait_s` seconds. Raises Conflict if the link is not up."""
    carrier = build(name, settings)
    link = await context.db.awrite(link_store.register, facts(name, settings, carrier))
    # No delivery's key begins like this.
    sms = replace(sms, key=f"test-{secrets.token_hex(8)}")
    inbox = Inbox(context.db, context.ledger, Metrics())
    following = Following(carrier, sms, inbox.sink(link), context.say)
    if isinstance(carrier, StreamReceipts):
        carrier.deliver_to(following.hear)
    taking = asyncio.create_task(inbox.run())
    try:
        async with opened(carrier):
            why = await came_up(carrier)
            if why:
                raise Conflict("{why}. Nothing was sent.", why=why)
            result = await _submit(context, link, carrier, sms)
            following.know(getattr(result, "refs", ()))
            await following.until_final(wait_s)
    finally:
        inbox.stop()
        await taking
    return SentTestMessage(sms.key, result, following.receipts)


async def _submit(context: MessageContext, link: Link, carrier: Carrier, sms: OutboundSms) -> SubmitResult:
    parts = carrier.segments(sms.text)
    intent = {"key": sms.key, "sender": sms.sender, "segments": parts}
    await context.db.awrite(_note, context.who, "link.test", link, intent)
    context.say(
        f"Sending one message of {parts} SMS part(s) over {link.name} as {sms.sender}, key {sms.key}."
    )
    result = await _hand_over(carrier, sms)
    said = {"key": sms.key, "result": type(result).__name__.lower(), "code": getattr(result, "code", "")}
    await context.db.awrite(_note, context.who, "link.test_answer", link, said)
    context.say(answered(result))
    return result


async def _hand_over(carrier: Carrier, sms: OutboundSms) -> SubmitResult:
    """Return the result; Unknown after any fault of the adapter, since it may have sent the message."""
    (answer,) = await asyncio.gather(carrier.submit([sms]), return_exceptions=True)
    if isinstance(answer, BaseException):
        return Unknown(Phrase("the adapter failed: {error}", error=cause_of(answer)))
    return answer[0]


def _note(connection: Connection, who: str, action: str, link: Link, detail: dict[str, Any]) -> None:
    audit.note(connection, who, action, f"link/{link.name}", **detail)


Say = Callable[[str], None]

_FINAL = (ReceiptStatus.DELIVERED, ReceiptStatus.UNDELIVERED, ReceiptStatus.EXPIRED)
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 10.0


@dataclass(slots=True)
class Following:
    """Listen and query until every part of the message has a final answer.

    Receipts of other messages may come over this bind too and must not be lost: `pass_on` acknowledges them
    after its commit. Until our references are known all receipts wait unacknowledged.
    """

    carrier: Carrier
    sms: OutboundSms
    pass_on: ReceiptSink
    say: Say
    receipts: list[Receipt] = field(default_factory=list)
    _open: set[str] = field(default_factory=set)
    _own: frozenset[str] | None = None
    _early: list[tuple[Receipt, Acknowledge]] = field(default_factory=list)
    _heard: asyncio.Queue[Receipt] = field(default_factory=asyncio.Queue)
    _last: str = ""

    def hear(self, receipt: Receipt, acknowledge: Acknowledge) -> None:
        """Take a receipt; this is the contract.ReceiptSink."""
        if self._own is None:
            self._early.append((receipt, acknowledge))
        elif receipt.reference in self._own:
            self._heard.put_nowait(receipt)
            acknowledge(True)
        else:
            self.pass_on(receipt, acknowledge)

    def know(self, references: Sequence[str | None]) -> None:
        self._own = frozenset(reference for reference in references if reference is not None)
        self._open = set(self._own)
        for receipt, acknowledge in self._early:
            self.hear(receipt, acknowledge)
        self._early.clear()

    async def until_final(self, wait_s: float) -> None:
        """Report receipts until all are final, for up to `wait_s` seconds."""
        asks = isinstance(self.carrier, QueriedReceipts)
        if not self._open:
            return
        if not (asks or isinstance(self.carrier, StreamReceipts)):
            self.say("The outcome is not shown, because this link does not deliver receipts.")
            return
        asking = asyncio.create_task(self._ask()) if asks else None
        try:
            async with asyncio.timeout(wait_s):
                await self._listen()
        except TimeoutError:
            self.say(f"No final result within {wait_s:g} s. The message may still arrive.")
        finally:
            if asking is not None:
                asking.cancel()
                await asyncio.wait({asking})

    async def _listen(self) -> None:
        while self._open:
            receipt = await self._heard.get()
            self.receipts.append(receipt)
            self._say(became(receipt))
            if receipt.status in _FINAL:
                self._open.discard(receipt.reference or "")

    def _say(self, words: str) -> None:
        if words != self._last:
            self._last = words
            self.say(words)

    async def _ask(self) -> None:
        """Query the carrier at growing intervals, adding its answers to the receipts."""
        pause_s, sent_at = _FIRST_PAUSE_S, clock.now()
        while True:
            await asyncio.sleep(pause_s)
            for reference in sorted(self._open):
                question = Question(reference, self.sms.phone, self.sms.sender, sent_at)
                await self._ask_one(question)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _ask_one(self, question: Question) -> None:
        if not isinstance(self.carrier, QueriedReceipts):
            return
        try:
            answer = await self.carrier.query(question)
        except ReadError as error:
            self._say(f"The carrier cannot be queried: {error}")
            return
        if answer is None:
            self._say("The carrier gave no information about the message.")
        else:
            self._heard.put_nowait(answer._replace(reference=question.reference))


def answered(result: SubmitResult) -> str:
    match result:
        case Accepted(refs):
            return f"The carrier accepted the message{_named(refs)}. It is not delivered yet."
        case Partial(refs, refused, code, reason):
            parts = ", ".join(str(part + 1) for part in refused)
            words = reason.name.lower().replace("_", " ")
            return f"The carrier accepted the message{_named(refs)} without parts {parts} ({code}: {words})."
        case Rejected(code, reason, network):
            words = reason.name.lower().replace("_", " ")
            served = f"; according to it, {network} serves the number" if network else ""
            return f"The carrier permanently rejected the message ({code}: {words}){served}."
        case Deferred(code):
            return f"Not accepted ({code}). It may be sent later."
        case Halted(code, reason):
            return (
                f"Not accepted ({code}): {reason.rstrip('.')}. Someone must act before anything can be sent."
            )
        case Unknown(reason, refs):
            lost = reason.rstrip(".")
            return f"Possibly accepted{_named(refs)}: {lost}. Check the phone before you send another."


def _named(refs: tuple[str | None, ...]) -> str:
    named = [ref for ref in refs if ref is not None]
    return f" (reference {', '.join(named)})" if named else ""


def became(receipt: Receipt) -> str:
    """Describe what the carrier reports of the message, or of one part of it."""
    code = f" ({receipt.code})" if receipt.code else ""
    match receipt.status:
        case ReceiptStatus.DELIVERED if receipt.level is ReceiptLevel.HANDSET:
            return f"Delivered to the handset{code}."
        case ReceiptStatus.DELIVERED:
            return f"Handed over to the operator's centre{code}; whether the handset has it is unknown."
        case ReceiptStatus.UNDELIVERED:
            return f"Not delivered{code}: {receipt.reason.name.lower().replace('_', ' ')}."
        case ReceiptStatus.EXPIRED:
            return f"Not delivered in time{code}."
        case ReceiptStatus.IN_TRANSIT:
            return f"In progress{code}; no final result."
        case ReceiptStatus.UNKNOWN:
            return f"The carrier does not report the outcome{code}."

"""Send one test message to a listed test number: outside the ledger, audited, and followed for a while."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from app.campaigns import texts
from app.campaigns.drafts import TextForm
from app.core.config import LinkSettings
from app.core.errors import Conflict, Invalid
from app.core.phone import REASONS, mask, normalise
from app.database.connection import Database
from app.diagnostics import result_text
from app.diagnostics.link_checks import came_up, opened
from app.diagnostics.test_receipts import Following, Say
from app.dispatch import link_store
from app.ledger.contract import Ledger, Link
from app.observability.metrics import Metrics
from app.receipts.receipt_writer import Inbox
from app.runtime.worker import build, facts
from app.security import audit
from carriers.causes import cause_of
from carriers.contract import (
    Accepted,
    Carrier,
    OutboundSms,
    Receipt,
    ReceiptStatus,
    StreamReceipts,
    SubmitResult,
    Unknown,
)
from carriers.text import nfc, unaccent

# ---- Text


def wording(key: str | None, own: str | None, form: TextForm) -> str:
    """Return the text to send. Raises Invalid unless exactly one of the two is given and not empty."""
    if (key is None) == (own is None):
        raise Invalid(
            "Give either --text-key, a text of messages/, or --text, your own wording.", field="text"
        )
    if own is not None and not own.strip():
        raise Invalid("--text is empty.", field="text")
    if own is not None:
        return nfc(unaccent(own) if form is TextForm.UNACCENTED else own)
    found = texts.find(key or "")
    return found.unaccented if form is TextForm.UNACCENTED else found.accented


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
                "meaning": result_text.became(each),
            }
            for each in self.receipts
        ]
        result = type(self.result).__name__.lower()
        answer = {"result": result, "answer": result_text.answered(self.result)}
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
        raise Invalid(f"{mask(number)} is no mobile number: {REASONS[phone].en}", field="number")
    if phone not in link.test_numbers:
        raise Invalid(
            f"{mask(number)} is not a test number of link {name}. Test messages go to nobody else: list it "
            f"first in test_numbers of [links.{name}], with its holder's consent.",
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
                raise Conflict(f"{why}; nothing was sent.")
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
    context.say(f"One message of {parts} SMS part(s) goes over {link.name} as {sms.sender}, key {sms.key}.")
    result = await _hand_over(carrier, sms)
    said = {"key": sms.key, "result": type(result).__name__.lower(), "code": getattr(result, "code", "")}
    await context.db.awrite(_note, context.who, "link.test_answer", link, said)
    context.say(result_text.answered(result))
    return result


async def _hand_over(carrier: Carrier, sms: OutboundSms) -> SubmitResult:
    """Return the result; Unknown after any fault of the adapter, since it may have sent the message."""
    (answer,) = await asyncio.gather(carrier.submit([sms]), return_exceptions=True)
    if isinstance(answer, BaseException):
        return Unknown(f"the adapter failed: {cause_of(answer)}")
    return answer[0]


def _note(connection: Connection, who: str, action: str, link: Link, detail: dict[str, Any]) -> None:
    audit.note(connection, who, action, f"link/{link.name}", **detail)

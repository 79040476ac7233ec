"""Follow one test message: collect its own receipts, pass all others on to the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.core import clock
from app.diagnostics import result_text
from carriers.contract import (
    Acknowledge,
    Carrier,
    OutboundSms,
    QueriedReceipts,
    Question,
    ReadError,
    Receipt,
    ReceiptSink,
    ReceiptStatus,
    StreamReceipts,
)

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
            self.say("What becomes of it is not seen here: this link brings no receipts by itself.")
            return
        asking = asyncio.create_task(self._ask()) if asks else None
        try:
            async with asyncio.timeout(wait_s):
                await self._listen()
        except TimeoutError:
            self.say(f"Nothing final within {wait_s:g} s; that says nothing of the message.")
        finally:
            if asking is not None:
                asking.cancel()
                await asyncio.wait({asking})

    async def _listen(self) -> None:
        while self._open:
            receipt = await self._heard.get()
            self.receipts.append(receipt)
            self._say(result_text.became(receipt))
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
            self._say(f"The carrier can't be asked: {error}")
            return
        if answer is None:
            self._say("Asked, the carrier gave no answer about the message.")
        else:
            self._heard.put_nowait(answer._replace(reference=question.reference))

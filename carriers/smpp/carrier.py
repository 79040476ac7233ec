"""A link over SMPP: its binds share one queue, and every message gets one honest result."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import asdict, replace

import structlog

from carriers.contract import (
    NOT_SENT,
    Acknowledge,
    CheckFinding,
    Deferred,
    Halted,
    LinkHealth,
    LinkOptions,
    OutboundSms,
    Question,
    Reason,
    Receipt,
    ReceiptSink,
    Rejected,
    SubmitResult,
)
from carriers.health import HealthRecord
from carriers.in_a_row import InARow
from carriers.inbound import InboundSink
from carriers.smpp import pdu
from carriers.smpp.encoding import Wordings
from carriers.smpp.id_bases import IdBases, wrong_mode
from carriers.smpp.inbound import one_text, read_inbound
from carriers.smpp.interfaces import Counters, End
from carriers.smpp.pending import MultipartMessage, PendingMessage, PendingQuery, id_reader
from carriers.smpp.piece_queue import PieceQueue
from carriers.smpp.receipt import is_receipt, read_answer, read_receipt, spellings, written_ids
from carriers.smpp.reconnect import BINDS, Reconnector, look_at, tls_context, wait_while
from carriers.smpp.session import SmppSession
from carriers.smpp.settings import limits, read_settings
from carriers.text import segments

LINK_DOWN = Deferred("link down", retry_after_s=1.0)
NO_ANSWERS = Deferred("held: no answers come", retry_after_s=1.0)
PAUSED = Deferred("held: every message is put off", retry_after_s=1.0)
BAD_PHONE = Rejected("phone: digits only", Reason.WRONG_REQUEST)


class SmppCarrier:
    """contract.Carrier, StreamReceipts, InboundMessages, QueriedReceipts and Checked over SMPP 3.4."""

    def __init__(self, link: LinkOptions) -> None:
        own = self.settings = read_settings(link)
        self.name = link.name
        self.queries_per_second = own.queries_per_second
        self.receipt_level = own.receipt_level
        self.limits = limits(link, own)
        self.queue = PieceQueue()
        self.counters = Counters()
        self._tls = tls_context(link, own)
        self._keepers: list[Reconnector] = []
        self._closing = False
        self._halted: Halted | None = None
        self._up = asyncio.Event()
        self._sink: ReceiptSink | None = None
        self._inbound: InboundSink | None = None
        self._parked: dict[MultipartMessage, tuple[asyncio.TimerHandle, Sequence[int]]] = {}
        self._noticed: set[str] = set()
        self._down: dict[int, str] = {}  # why a bind is away, by its command
        self._news = asyncio.Event()  # a bind has come up, or has failed
        self._log = structlog.get_logger("loa.smpp")
        self._health = HealthRecord()
        self._bases = IdBases(own.id_mode)
        self._read_id = id_reader(own.id_mode, self._bases.answered)
        self._wordings = Wordings(own)
        self._in_a_row = InARow(own.strange_in_a_row, self._health, longest_s=own.probe_max_s)
        self._probing = False  # a single message asks whether the carrier's trouble is over

    # ---- contract.Carrier

    async def open(self) -> None:
        """Begin to keep the binds up; on a halted link, try again."""
        if self._keepers and self._halted is None:
            return
        await self._leave()
        self._closing, self._halted = False, None
        self._in_a_row.reopened()
        own = self.settings
        commands = [pdu.BIND_TRANSCEIVER]
        if own.bind == "transmitter_receiver":
            commands = [pdu.BIND_TRANSMITTER, pdu.BIND_RECEIVER]
        self._keepers = [Reconnector(own, command, self, self._tls) for command in commands * own.binds]

    async def close(self) -> None:
        """Defer what is not on the wire, wait for what is, unbind."""
        self._closing = True
        self.look()
        self._health.closed()
        for letter, (timer, _) in self._parked.items():
            timer.cancel()
            letter.give_up()
        self._parked.clear()
        await self._leave()

    async def _leave(self) -> None:
        """The receiving binds last: receipts of the last messages may still come."""
        for receiving in (False, True):
            keepers = [each for each in self._keepers if (each.command == pdu.BIND_RECEIVER) is receiving]
            await asyncio.gather(*(keeper.leave() for keeper in keepers))
        self._keepers = []

    async def ready(self) -> None:
        """Return when a bind can send; sleeps until then."""
        await self._up.wait()

    def halted(self) -> Halted | None:
        """Why the carrier refuses the bind; open() tries again."""
        return self._halted

    def health(self) -> LinkHealth:
        """How the link stands: held where every bind that could send is."""
        goes = any(session.sends() and not session.is_held for session in self._sessions())
        found = self._health.facts(is_held=not goes)
        return replace(found, held=found.held or self._in_a_row.why_paused)

    def segments(self, text: str) -> int:
        """SMS parts of the text. With long_text = "payload" a longer text still has one reference only."""
        return segments(text)

    async def submit(self, parcel: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """One result for each message, in order; a cancelled or failed call leaves nothing in the queue."""
        if not parcel:
            return []
        waiting, down = PendingMessage(len(parcel), self._read_id), self._why_not()
        probes = down is None and bool(self._in_a_row.why_paused)
        try:
            with contextlib.ExitStack() as listening:
                for permit in {sms.permit for sms in parcel if sms.permit}:
                    listening.enter_context(permit.told(self.give_back))
                for index, sms in enumerate(parcel):
                    if down is not None:
                        waiting.settle(index, down)
                        continue
                    self._enqueue(waiting, index, sms)
                    if probes:
                        down, self._probing = PAUSED, True
                        self._up.clear()
                self._pump()
                await waiting.done
        finally:
            if not waiting.done.done() or waiting.done.cancelled():
                self._forget(waiting)
            self._probing = self._probing and not probes
        return self._weigh(parcel, [result for result in waiting.results if result is not None], probes)

    def _weigh(
        self, parcel: Sequence[OutboundSms], answers: Sequence[SubmitResult], probes: bool
    ) -> Sequence[SubmitResult]:
        """The results; with too many refusals in a row the link halts, or pauses."""
        results = self._in_a_row.weigh(parcel, answers)
        halted = next((result for result in results if isinstance(result, Halted)), None)
        if halted is not None and self._halted is None:
            self._stop(halted)
        elif probes or self._in_a_row.why_paused:
            asyncio.get_running_loop().call_later(self._in_a_row.pause_left_s, self.look)
            self.look()
        return results

    async def written(self) -> None:
        """Return when the queue is empty."""
        await self.queue.emptied()

    # ---- contract.PlainLine

    @property
    def plain_hosts(self) -> Sequence[str]:
        """The message centre, unless the link speaks TLS."""
        return [] if self.settings.tls else [self.settings.host]

    # ---- contract.StreamReceipts, InboundMessages and QueriedReceipts

    def deliver_to(self, sink: ReceiptSink) -> None:
        """Where receipts go. The sink calls `acknowledge` in this loop's thread, once, after the commit."""
        self._sink = sink

    def messages_to(self, sink: InboundSink) -> None:
        """Where everything goes that is no receipt; the sink acknowledges as that of receipts does."""
        self._inbound = sink

    async def query(self, question: Question) -> Receipt | None:
        """Ask with query_sm; None where the carrier does not know the message, or does not answer.

        A canonical reference has lost its case and its leading zeros, so the likely spellings are tried.
        """
        own = self.settings
        source = (own.source_ton, own.source_npi, question.sender.encode("ascii", "replace"))
        for spelling in spellings(question.reference, own.id_mode):
            if not self._up.is_set():
                return None
            inquiry = PendingQuery(pdu.query_body(spelling.encode("latin-1", "replace"), source))
            self.queue.append((inquiry, 0))
            self._pump()
            body = await inquiry.done
            if not inquiry.refused:
                return read_answer(body or b"", question.reference, own.receipt_level)
        return None

    async def check(self) -> Sequence[CheckFinding]:
        """Wait until every bind of the open link is up or has failed, and ask each whether it lives."""

        def waits() -> bool:
            return self._halted is None and any(each.is_untried(self._down) for each in self._keepers)

        # For the connection, and for the bind.
        await wait_while(waits, self._news, 2.5 * self.settings.response_timeout_s)
        if self._halted is not None:
            return [CheckFinding(False, f"The bind is refused ({self._halted.code}): {self._halted.reason}.")]
        return [await look_at(self.settings, each, self._down.get(each.command)) for each in self._keepers]

    def stats(self) -> dict[str, int]:
        """Figures for metrics: counters since the start, and the messages in flight and in the queue."""
        in_flight = sum(len(session.in_flight) for session in self._sessions())
        return {**asdict(self.counters), "in_flight": in_flight, "queued": len(self.queue)}

    # ---- the way out

    def _enqueue(self, waiting: PendingMessage, index: int, sms: OutboundSms) -> None:
        templates, phone = self._wordings.templates(sms), sms.phone
        if isinstance(templates, Rejected):
            waiting.settle(index, templates)
            return
        if not (phone.isascii() and phone.isdigit() and len(phone) <= 20):
            waiting.settle(index, BAD_PHONE)
            return
        waiting.phones[index], waiting.permits[index] = phone.encode(), sms.permit
        if len(templates) == 1:
            waiting.templates[index] = templates[0]
            self.queue.append((waiting, index))
            return
        letter = MultipartMessage(waiting, index, templates, self._read_id, self._retry)
        self.queue.extend((letter, part) for part in range(len(templates)))

    def _pump(self) -> None:
        """Let the binds take from the queue, the one with most room first."""
        for session in sorted(self._sessions(), key=SmppSession.room, reverse=True):
            if not self.queue:
                break
            session.fill()
        if any(session.window.held for session in self._sessions()):
            self.look()

    def _flush_queue(self, why: Deferred | Halted) -> None:
        """Nothing in the queue was written: certainly not taken."""
        for owner, index in self.queue.sift(lambda owner, index: False):
            owner.unsent(index, why)

    def give_back(self) -> None:
        """Give back what waits and may not go any more."""
        for owner, index in self.queue.sift(lambda owner, index: owner.may_go(index)):
            owner.unsent(index, NOT_SENT)

    def _forget(self, waiting: PendingMessage) -> None:
        """Nobody waits for these any more: what is not on the wire must not go out later."""
        self.queue.sift(lambda owner, index: owner.parcel is not waiting)
        for letter in [letter for letter in self._parked if letter.parcel is waiting]:
            self._parked.pop(letter)[0].cancel()

    def _retry(self, letter: MultipartMessage, parts: Sequence[int]) -> bool:
        """Park parts of a long message outside the window; False when there is no use in it."""
        if self._closing or letter.tries >= self.settings.part_retries or letter.parcel.done.cancelled():
            return False
        wait = self.settings.part_retry_s * 2**letter.tries
        letter.tries += 1
        timer = asyncio.get_running_loop().call_later(wait, self._unpark, letter)
        self._parked[letter] = (timer, parts)
        return True

    def _unpark(self, letter: MultipartMessage) -> None:
        _, parts = self._parked.pop(letter)
        if self._up.is_set():
            self.queue.extend((letter, part) for part in parts)
            self._pump()
        else:
            for part in parts:
                letter.unsent(part, LINK_DOWN)

    # ---- what the binds tell (session.Desk and keeper.KeepingDesk)

    def bound(self, command: int) -> None:
        self._down.pop(command, None)
        self._news.set()
        self._log.info("bind is up", link=self.name, bind=BINDS[command])
        self.look()
        self._pump()

    def ended(self) -> None:
        self.look()

    def held(self, command: int, why: str, unanswered: int) -> None:
        self._log.error("bind is held", link=self.name, bind=BINDS[command], why=why, unanswered=unanswered)
        self._health.held, self._health.refusing_since = why, None
        self.look()

    def answered(self) -> None:
        self._health.answered()

    def answers_again(self, command: int) -> None:
        if not any(session.is_held for session in self._sessions()):
            self._health.held = ""
        self._log.info("bind answers again", link=self.name, bind=BINDS[command])
        self.look()

    def down(self, command: int, end: End, *, is_news: bool) -> None:
        self._down[command] = end.why
        self._health.refused(end.why)
        self._news.set()
        if is_news:
            self._log.warning("bind is down", link=self.name, bind=BINDS[command], why=end.why)

    def halt(self, why: Halted) -> bool:
        """Not while another bind is up: then the account is in order, and this refusal may pass."""
        if any(each.bound_at is not None and not each.end.done() for each in self._sessions()):
            return False
        self._stop(why)
        return True

    def _stop(self, why: Halted) -> None:
        """Nothing goes any more until a person has acted."""
        self._log.error("link is halted", link=self.name, code=why.code, why=why.reason)
        self._halted = why
        self._health.refused(f"{why.code}: {why.reason}")
        self._news.set()
        self.look()

    def deliver(self, message: pdu.ShortMessage, acknowledge: Acknowledge) -> None:
        message = one_text(message, self.odd)
        if not is_receipt(message):
            self._deliver_inbound(message, acknowledge)
            return
        self.counters.receipts += 1
        if self._sink is None:
            acknowledge(False)
        else:
            receipt = read_receipt(message, self.settings)
            self._compare_bases(receipt, message)
            self._sink(receipt, acknowledge)

    def _compare_bases(self, receipt: Receipt, message: pdu.ShortMessage) -> None:
        """A wrong id_mode puts every receipt into quarantine: it is seen, and named, after a few."""
        fits = self._bases.received(receipt.reference, lambda: written_ids(message))
        if fits is not None and not self._health.remark:
            self._health.remark = wrong_mode(self.settings.id_mode, fits)
            self._log.error("id_mode is wrong", link=self.name, why=self._health.remark)

    def _deliver_inbound(self, message: pdu.ShortMessage, acknowledge: Acknowledge) -> None:
        """A message to us. Without somebody to keep it, it is not taken, so that the carrier keeps it."""
        self.counters.messages += 1
        if self._inbound is None:
            acknowledge(False)
        else:
            self._inbound(read_inbound(message, self.settings), acknowledge)

    def odd(self, kind: str, detail: str) -> None:
        """Logged once for each kind; the counters have the rest."""
        if kind not in self._noticed:
            self._noticed.add(kind)
            self._log.warning("the carrier sent something odd", link=self.name, kind=kind, detail=detail)

    def _sessions(self) -> list[SmppSession]:
        return [keeper.session for keeper in self._keepers if keeper.session is not None]

    def look(self) -> None:
        """Whether the link can send now; if not, the queue goes back."""
        stands = self._closing or self._halted or self._probing or self._in_a_row.pause_left_s > 0
        if not stands and any(session.takes() for session in self._sessions()):
            self._up.set()
            self._health.connected()
        else:
            self._up.clear()
            self._note_why()
            self._flush_queue(self._why_not() or LINK_DOWN)

    def _note_why(self) -> None:
        """A held bind is up; else the link is lost, if it was not left on purpose."""
        if self._halted is not None or not any(session.sends() for session in self._sessions()):
            self._health.closed() if self._closing else self._health.lost()

    def _why_not(self) -> Halted | Deferred | None:
        """Why nothing may be sent now; None where it may."""
        if self._halted is not None or self._up.is_set():
            return self._halted
        if not any(session.sends() for session in self._sessions()):
            return LINK_DOWN
        return PAUSED if self._in_a_row.why_paused else NO_ANSWERS

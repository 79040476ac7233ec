"""A link over SMPP: its binds share one queue, and every message gets exactly one result."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Protocol

import structlog

from carriers.contract import (
    NOT_SENT,
    Accepted,
    Acknowledge,
    CheckFinding,
    Deferred,
    Halted,
    HealthRecord,
    LinkHealth,
    LinkOptions,
    OutboundSms,
    Partial,
    Permit,
    Question,
    Reason,
    Receipt,
    ReceiptSink,
    Rejected,
    SubmitResult,
    Unknown,
)
from carriers.inbound import InboundSink
from carriers.options import Adapter
from carriers.refusal_streak import RefusalStreak
from carriers.smpp import pdu
from carriers.smpp.codes import Refusal, refusal
from carriers.smpp.inbound import one_text, read_inbound
from carriers.smpp.pdu import HEADER, QUERY_SM, SUBMIT_SM, Template, TextEncoder, frame, message_id
from carriers.smpp.receipt import (
    IdBases,
    PlainReceipts,
    canonical,
    canonical_ids,
    is_receipt,
    read_answer,
    read_receipt,
    spellings,
    written_ids,
    wrong_mode,
)
from carriers.smpp.reconnect import BINDS, Reconnector, check_bind, tls_context, wait_while
from carriers.smpp.session import Counters, End, PieceQueue, SmppSession
from carriers.smpp.settings import SmppSettings, limits, read_settings
from carriers.text import segments

LINK_DOWN = Deferred("link down", retry_after_s=1.0)
NO_ANSWERS = Deferred("probing: no answers arrive", retry_after_s=1.0)
PAUSED = Deferred("probing: every message is deferred", retry_after_s=1.0)
BAD_PHONE = Rejected("phone: digits only", Reason.WRONG_REQUEST)


# ---- Queued work, until the carrier's response

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


# ---- The link


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
        self._binds: list[Reconnector] = []
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
        self._encoder = TextEncoder(own)
        self._plain_receipts = PlainReceipts(own)
        self._refusals = RefusalStreak(own.strange_in_a_row, self._health, longest_s=own.probe_max_s)
        self._probing = False  # a single message is out to see whether the carrier has recovered

    async def open(self) -> None:
        if self._binds and self._halted is None:
            return
        await self._leave()
        self._closing, self._halted = False, None
        self._refusals.reopened()
        own = self.settings
        commands = [pdu.BIND_TRANSCEIVER]
        if own.bind == "transmitter_receiver":
            commands = [pdu.BIND_TRANSMITTER, pdu.BIND_RECEIVER]
        self._binds = [Reconnector(own, command, self, self._tls) for command in commands * own.binds]

    async def close(self) -> None:
        """Defer what is not on the wire, wait for what is, then unbind."""
        self._closing = True
        self.update()
        self._health.closed()
        for multipart, (timer, _) in self._parked.items():
            timer.cancel()
            multipart.give_up()
        self._parked.clear()
        await self._leave()

    async def _leave(self) -> None:
        """Close the receiving binds last: receipts of the last messages may still come."""
        for receiving in (False, True):
            binds = [each for each in self._binds if (each.command == pdu.BIND_RECEIVER) is receiving]
            await asyncio.gather(*(bind.leave() for bind in binds))
        self._binds = []

    async def ready(self) -> None:
        await self._up.wait()

    def halted(self) -> Halted | None:
        return self._halted

    def health(self) -> LinkHealth:
        """Return the link's state: probing only if every bind that could send is."""
        going = [session for session in self._sessions() if session.sends() and not session.is_probing]
        found = self._health.facts(is_probing=not going)
        waited = max((session.waited_s() for session in going), default=0.0)
        waiting = self._health.waiting_since(waited, self.settings.response_timeout_s)
        return replace(found, probing=found.probing or self._refusals.why_paused, waiting_since=waiting)

    def segments(self, text: str) -> int:
        """SMS parts of the text. With long_text = "payload" a longer text still has only one reference."""
        return segments(text)

    async def submit(self, messages: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """Return one result for each message, in order; a cancelled call leaves nothing in the queue."""
        if not messages:
            return []
        waiting, down = PendingSubmit(len(messages), self._read_id), self._why_not()
        probes = down is None and bool(self._refusals.why_paused)
        try:
            with contextlib.ExitStack() as listening:
                for permit in {sms.permit for sms in messages if sms.permit}:
                    listening.enter_context(permit.when_withdrawn(self.give_back))
                for index, sms in enumerate(messages):
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
        return self._count_refusals(
            messages, [result for result in waiting.results if result is not None], probes
        )

    def _count_refusals(
        self, messages: Sequence[OutboundSms], answers: Sequence[SubmitResult], probes: bool
    ) -> Sequence[SubmitResult]:
        """Return the results; too many refusals in a row halt or pause the link."""
        results = self._refusals.count(messages, answers)
        halted = next((result for result in results if isinstance(result, Halted)), None)
        if halted is not None and self._halted is None:
            self._stop(halted)
        elif probes or self._refusals.why_paused:
            asyncio.get_running_loop().call_later(self._refusals.pause_left_s, self.update)
            self.update()
        return results

    async def written(self) -> None:
        await self.queue.emptied()

    @property
    def plain_hosts(self) -> Sequence[str]:
        return [] if self.settings.tls else [self.settings.host]

    # Receipts, messages to us, queries

    def deliver_to(self, sink: ReceiptSink) -> None:
        """Set the receipt sink; it calls `acknowledge` once, in this loop's thread, after the commit."""
        self._sink = sink

    def messages_to(self, sink: InboundSink) -> None:
        """Set the sink for every deliver_sm that is not a receipt; it acknowledges like the receipt sink."""
        self._inbound = sink

    async def query(self, question: Question) -> Receipt | None:
        """Ask with query_sm; None if the carrier does not know the message or does not answer.

        A canonical reference has lost its case and leading zeros, so the likely spellings are tried in turn.
        """
        own = self.settings
        source = (own.source_ton, own.source_npi, question.sender.encode("ascii", "replace"))
        for spelling in spellings(question.reference, own.id_mode):
            if not self._up.is_set():
                return None
            pending = PendingQuery(pdu.query_body(spelling.encode("latin-1", "replace"), source))
            self.queue.append((pending, 0))
            self._pump()
            body = await pending.done
            if not pending.refused:
                return read_answer(body or b"", question.reference, own)
        return None

    async def check(self) -> Sequence[CheckFinding]:
        """Wait until every bind of the open link is up or has failed, then send each an enquire_link."""

        def is_waiting() -> bool:
            return self._halted is None and any(each.is_untried(self._down) for each in self._binds)

        # The timeout covers the connection and the bind.
        await wait_while(is_waiting, self._news, 2.5 * self.settings.response_timeout_s)
        if self._halted is not None:
            return [CheckFinding(False, f"The bind is refused ({self._halted.code}): {self._halted.reason}.")]
        return [await check_bind(self.settings, each, self._down.get(each.command)) for each in self._binds]

    def stats(self) -> dict[str, int]:
        """Return figures for metrics: counters since the start, messages in flight and queued."""
        in_flight = sum(len(session.in_flight) for session in self._sessions())
        return {**asdict(self.counters), "in_flight": in_flight, "queued": len(self.queue)}

    # Sending

    def _enqueue(self, waiting: PendingSubmit, index: int, sms: OutboundSms) -> None:
        templates, phone = self._encoder.templates(sms), sms.phone
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
        multipart = MultipartMessage(waiting, index, templates, self._read_id, self._retry)
        self.queue.extend((multipart, part) for part in range(len(templates)))

    def _pump(self) -> None:
        """Let the binds take from the queue, the one with most room first."""
        for session in sorted(self._sessions(), key=SmppSession.room, reverse=True):
            if not self.queue:
                break
            session.fill()
        if any(session.window.probing for session in self._sessions()):
            self.update()

    def _flush_queue(self, why: Deferred | Halted) -> None:
        """Return everything queued: it was never written, so it was certainly not taken."""
        for owner, index in self.queue.remove_unless(lambda owner, index: False):
            owner.unsent(index, why)

    def give_back(self) -> None:
        """Return queued messages that may not be written any more."""
        for owner, index in self.queue.remove_unless(lambda owner, index: owner.may_go(index)):
            owner.unsent(index, NOT_SENT)

    def _forget(self, waiting: PendingSubmit) -> None:
        """Drop what nobody waits for any more: it must not go out later."""
        self.queue.remove_unless(lambda owner, index: owner.submit_call is not waiting)
        for multipart in [multipart for multipart in self._parked if multipart.submit_call is waiting]:
            self._parked.pop(multipart)[0].cancel()

    def _retry(self, multipart: MultipartMessage, parts: Sequence[int]) -> bool:
        """Retry parts of a long message after a pause, outside the window; False if it is pointless."""
        if (
            self._closing
            or multipart.tries >= self.settings.part_retries
            or multipart.submit_call.done.cancelled()
        ):
            return False
        wait = self.settings.part_retry_s * 2**multipart.tries
        multipart.tries += 1
        timer = asyncio.get_running_loop().call_later(wait, self._unpark, multipart)
        self._parked[multipart] = (timer, parts)
        return True

    def _unpark(self, multipart: MultipartMessage) -> None:
        _, parts = self._parked.pop(multipart)
        if self._up.is_set():
            self.queue.extend((multipart, part) for part in parts)
            self._pump()
        else:
            for part in parts:
                multipart.unsent(part, LINK_DOWN)

    # Called by the binds (session.BindOwner and reconnect.ReconnectOwner)

    def bound(self, command: int) -> None:
        self._down.pop(command, None)
        self._news.set()
        self._log.info("bind is up", link=self.name, bind=BINDS[command])
        self.update()
        self._pump()

    def ended(self) -> None:
        self.update()

    def probing(self, command: int, why: str, unanswered: int) -> None:
        self._log.error(
            "bind is probing", link=self.name, bind=BINDS[command], why=why, unanswered=unanswered
        )
        self._health.probing, self._health.refusing_since = why, None
        self.update()

    def answered(self) -> None:
        self._health.answered()

    def answers_again(self, command: int) -> None:
        if not any(session.is_probing for session in self._sessions()):
            self._health.probing = ""
        self._log.info("bind answers again", link=self.name, bind=BINDS[command])
        self.update()

    def down(self, command: int, end: End, *, is_news: bool) -> None:
        self._down[command] = end.why
        self._health.refused(end.why)
        self._news.set()
        if is_news:
            self._log.warning("bind is down", link=self.name, bind=BINDS[command], why=end.why)

    def halt(self, why: Halted) -> bool:
        """Halt the link unless another bind is up: then the account is fine, and this refusal may pass."""
        if any(each.bound_at is not None and not each.end.done() for each in self._sessions()):
            return False
        self._stop(why)
        return True

    def _stop(self, why: Halted) -> None:
        """Send nothing more until a person has acted."""
        self._log.error("link is halted", link=self.name, code=why.code, why=why.reason)
        self._halted = why
        self._health.refused(f"{why.code}: {why.reason}")
        self._news.set()
        self.update()

    def deliver(self, message: pdu.ShortMessage, acknowledge: Acknowledge) -> None:
        receipt = self._plain_receipts.read(message)
        if receipt is None:
            message = one_text(message, self.odd)
            if not is_receipt(message):
                self._deliver_inbound(message, acknowledge)
                return
        self.counters.receipts += 1
        if self._sink is None:
            acknowledge(False)
        else:
            receipt = receipt or read_receipt(message, self.settings)
            self._compare_bases(receipt, message)
            self._sink(receipt, acknowledge)

    def _compare_bases(self, receipt: Receipt, message: pdu.ShortMessage) -> None:
        """Report a wrong id_mode, which would put every receipt into quarantine, after a few receipts."""
        fits = self._bases.received(receipt.reference, lambda: written_ids(message))
        if fits is not None and not self._health.remark:
            self._health.remark = wrong_mode(self.settings.id_mode, fits)
            self._log.error("id_mode is wrong", link=self.name, why=self._health.remark)

    def _deliver_inbound(self, message: pdu.ShortMessage, acknowledge: Acknowledge) -> None:
        """Pass on a message to us; refuse it without a sink, so that the carrier keeps it."""
        self.counters.messages += 1
        if self._inbound is None:
            acknowledge(False)
        else:
            self._inbound(read_inbound(message, self.settings), acknowledge)

    def odd(self, kind: str, detail: str) -> None:
        """Log once for each kind; the counters count every case."""
        if kind not in self._noticed:
            self._noticed.add(kind)
            self._log.warning(
                "the carrier sent an unexpected message", link=self.name, kind=kind, detail=detail
            )

    def _sessions(self) -> list[SmppSession]:
        return [bind.session for bind in self._binds if bind.session is not None]

    def update(self) -> None:
        """Update whether the link can send; if it can't, return the queue."""
        cannot_send = self._closing or self._halted or self._probing or self._refusals.pause_left_s > 0
        if not cannot_send and any(session.takes() for session in self._sessions()):
            self._up.set()
            self._health.connected()
        else:
            self._up.clear()
            self._record_loss()
            self._flush_queue(self._why_not() or LINK_DOWN)

    def _record_loss(self) -> None:
        """Record the link as lost, unless it was closed on purpose; a probing bind still counts as up."""
        if self._halted is not None or not any(session.sends() for session in self._sessions()):
            self._health.closed() if self._closing else self._health.lost()

    def _why_not(self) -> Halted | Deferred | None:
        """Return why nothing may be sent now; None if it may."""
        if self._halted is not None or self._up.is_set():
            return self._halted
        if self._closing or not any(session.sends() for session in self._sessions()):
            return LINK_DOWN
        return PAUSED if self._refusals.why_paused else NO_ANSWERS


ADAPTER = Adapter(SmppCarrier, SmppSettings, canonical_ids)

"""One bind to a message centre: keeps its window full by callbacks; every message gets a result.

Pieces of messages wait in the link's queue for a place in the windows of its binds.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Protocol, cast

from carriers.contract import NOT_SENT, Acknowledge, Deferred, Halted
from carriers.phrases import Phrase
from carriers.smpp import pdu
from carriers.smpp.codes import code
from carriers.smpp.pdu import HEADER, SUBMIT_SM, ShortMessage
from carriers.smpp.settings import SmppSettings

# Above this much unread output stop reading too, so that a peer that only sends can't exhaust memory.
UNREAD_LIMIT = 1024 * 1024
UNBIND_S = 2.0  # how long to wait for unbind_resp; nothing is lost without it
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: discard what the kernel holds, and send RST
_LATER_S = 2.0  # the bind must time out first, since it knows what has not left
NAMES = {
    pdu.BIND_RECEIVER: "bind",
    pdu.BIND_TRANSMITTER: "bind",
    pdu.BIND_TRANSCEIVER: "bind",
    pdu.ENQUIRE_LINK: "enquire_link",
    pdu.UNBIND: "unbind",
}


class State(Enum):
    """The life of a bind; it only moves down this list."""

    BINDING = "binding"
    BOUND = "bound"
    LEAVING = "leaving"
    ENDED = "ended"


class PieceOwner(Protocol):
    """Owns pieces in the queue; exactly one callback is called for each piece.

    Those that own some: PendingSubmit, MultipartMessage and PendingQuery in carrier.py.
    """

    @property
    def submit_call(self) -> object:
        """The submit() call that the piece belongs to; None for a query."""
        ...

    def may_go(self, index: int) -> bool:
        """Whether piece `index` may still be written."""
        ...

    def pdu(self, index: int, sequence: int) -> bytes:
        """Return the whole PDU of piece `index`."""
        ...

    def answered(self, index: int, status: int, body: bytes) -> None:
        """The carrier sent its response."""
        ...

    def nacked(self, index: int, status: int) -> None:
        """The carrier sent a generic_nack in place of a response."""
        ...

    def lost(self, index: int, why: str) -> None:
        """It was written, and no response will come."""
        ...

    def unsent(self, index: int, why: Deferred | Halted) -> None:
        """It was never written."""
        ...


class PieceQueue(deque[tuple[PieceOwner, int]]):
    """Pieces of work as (owner, index); call `notify_if_empty` after taking pieces out."""

    def __init__(self) -> None:
        super().__init__()
        self._is_empty = asyncio.Event()

    async def emptied(self) -> None:
        while self:
            self._is_empty.clear()
            await self._is_empty.wait()

    def notify_if_empty(self) -> None:
        if not self:
            self._is_empty.set()

    def remove_unless(self, stays: Callable[[PieceOwner, int], bool]) -> list[tuple[PieceOwner, int]]:
        """Remove and return the pieces for which `stays` is false; the rest keeps its order."""
        pieces = list(self)
        self.clear()
        removed: list[tuple[PieceOwner, int]] = []
        for piece in pieces:
            (self if stays(*piece) else removed).append(piece)
        self.notify_if_empty()
        return removed


@dataclass(slots=True)
class Counters:
    """Counters of a link since it was opened, for metrics."""

    submitted: int = 0
    receipts: int = 0
    messages: int = 0  # deliver_sm that are no receipts
    unreadable: int = 0  # bodies that could not be parsed
    unknown_pdus: int = 0  # commands that SMPP 3.4 does not have, or not for an ESME
    late_answers: int = 0  # responses that nothing waits for any more


class BindOwner(Protocol):
    """What a bind needs from its link."""

    queue: PieceQueue
    counters: Counters

    def bound(self, command: int) -> None: ...
    def ended(self) -> None: ...

    def probing(self, command: int, why: str, unanswered: int) -> None:
        """Report that messages stay unanswered or the peer is silent; at most single messages may go now."""
        ...

    def answers_again(self, command: int) -> None:
        """Report that a probing or silent bind has been heard again."""
        ...

    def answered(self) -> None: ...
    def update(self) -> None: ...

    def deliver(self, message: ShortMessage, acknowledge: Acknowledge) -> None:
        """Handle a deliver_sm; its response is sent when `acknowledge` is called."""
        ...

    def odd(self, kind: str, detail: str) -> None:
        """Report something unexpected, which was answered and counted."""
        ...


@dataclass(frozen=True, slots=True)
class End:
    """Why a bind ended; `refused` is the status of a refused bind."""

    why: str
    refused: int | None = None


@dataclass(slots=True)
class Window:
    """How many submits of a bind may be in flight: one after a bind, then more with each answer.

    A submit that times out without any answer since it was sent keeps its place, so a message centre that
    answers nothing is sent one window and no more. Then single messages probe whether it answers again.

    Times are the event loop's. size: the contract's maximum; first_s, longest_s: pauses between probes of a
    probing window.
    """

    size: int
    first_s: float
    longest_s: float
    allowed: int = 1
    answers: int = 0  # of submits, since the bind
    unanswered: int = 0  # timed out, without any answer since they were sent
    probing: bool = False
    unanswered_since: float | None = None  # when the first of them was sent
    _answered_at: float = -math.inf
    _pause_s: float = 0.0
    _probe_at: float = 0.0

    def room(self, in_flight: int, now: float) -> int:
        if self.probing:
            return int(not in_flight and now >= self._probe_at)
        return self.allowed - self.unanswered - in_flight

    def sent(self) -> None:
        """Note a write; on a probing window it is a probe, and the next one waits longer."""
        if self.probing:
            self._pause_s = min(2 * self._pause_s, self.longest_s)

    def answered(self, count: int, now: float) -> None:
        """Note answers to submits; the window grows by each, doubling every round trip."""
        if self.probing:
            self.probing, self.allowed = False, 1
        self.answers += count
        self.unanswered, self.unanswered_since = 0, None
        self.allowed = min(self.size, self.allowed + count)
        self._answered_at = now

    def given_up(self, sent_at: float, now: float) -> None:
        """Note a submit that timed out; it keeps its place only if no answer came after it was sent.

        Such an answer may have been the last, though: if the silence since then is the longer part of the
        submit's time, shrink the window to two. One may be in flight already; the second one decides.
        """
        if sent_at >= self._answered_at:
            self.unanswered += 1
            self.unanswered_since = self.unanswered_since or sent_at
        elif now - self._answered_at > self._answered_at - sent_at:
            self.allowed = min(self.allowed, 2)
        self._probe_at = now + self._pause_s

    def waits_since(self, oldest: float | None) -> float | None:
        """Return since when messages wait without an answer; oldest: when the oldest in flight was sent."""
        if oldest is None or self.unanswered_since is not None:
            return self.unanswered_since
        return max(oldest, self._answered_at)

    def begins_to_hold(self, in_flight: int, now: float) -> bool:
        """Whether two (or all allowed) are unanswered, so that the window begins to probe."""
        if self.probing or not self.unanswered or min(self.allowed, 2) > self.unanswered + in_flight:
            return False
        self.probing, self._pause_s = True, self.first_s
        self._probe_at = now + self.first_s
        return True


class WriteBuffer:
    """Writes PDUs and remembers those that may still be in the transport's buffer.

    What is there when the connection is dropped was never sent; what the system has taken is unknown.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._recent: list[bytes] = []

    def write(self, pdus: list[bytes]) -> None:
        """Write all of them at once; takes ownership of the list."""
        if self._transport.get_write_buffer_size() == 0:
            self._recent = pdus
        else:
            self._recent += pdus
        self._transport.write(b"".join(pdus))

    def left(self) -> set[int]:
        """Return the sequence numbers of submits of which the system has not taken a byte.

        Empty for TLS, whose transport counts encrypted bytes.
        """
        room = self._transport.get_write_buffer_size()
        if not room or self._transport.get_extra_info("ssl_object") is not None:
            return set()
        unsent = set()
        for written in reversed(self._recent):
            room -= len(written)
            if room < 0:
                break
            _, command, _, sequence = HEADER.unpack_from(written)
            if command == SUBMIT_SM:
                unsent.add(sequence)
        return unsent

    def leave(self, patience_s: float) -> set[int]:
        """Close the connection; return the submits that were never sent and now never will be."""
        unsent = self.left()
        if unsent:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
        else:
            self._transport.close()
            # close() waits until the rest is sent; a stalled peer would keep the socket for ever.
            asyncio.get_running_loop().call_later(patience_s, self._transport.abort)
        return unsent


def prepare_socket(transport: asyncio.Transport, seconds: float) -> None:
    """Have Linux discard unacknowledged data soon after the answer timeout.

    Otherwise it would retry for minutes after the bind was given up, and deliver messages that a person may
    have sent again meanwhile. Also write no more than the system takes: a bind stops at the first byte that
    waits.
    """
    sock, option = transport.get_extra_info("socket"), getattr(socket, "TCP_USER_TIMEOUT", None)
    if sock is not None and option is not None:
        sock.setsockopt(socket.IPPROTO_TCP, option, max(1000, round(1000 * (seconds + _LATER_S))))
    if sock is not None and transport.get_extra_info("ssl_object") is None:
        transport.set_write_buffer_limits(high=0)


class SmppSession(asyncio.Protocol):
    """One connection and its bind; `command` says which: transmitter, receiver or transceiver.

    A submit's way: the link's queue -> fill() -> in_flight, and then exactly one of
        submit_sm_resp or generic_nack     -> answered, nacked
        no response in time                -> lost (unknown)
        the connection ends                -> lost; unsent if no byte of it has left this process
    """

    def __init__(self, settings: SmppSettings, command: int, link: BindOwner) -> None:
        self.settings, self.command, self.link = settings, command, link
        self.state = State.BINDING
        self.end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self.in_flight: dict[int, tuple[float, PieceOwner, int]] = {}  # in the order of sending
        self.window = Window(settings.window, settings.reconnect_min_s, settings.probe_max_s)
        self.submits = self.sequence = 0
        self.bound_at: float | None = None
        self.silent = False  # nothing is heard although answers are overdue
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._written: WriteBuffer | None = None
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._flush_due = False
        self._paused_at: float | None = None  # since when the peer does not read what we write
        self._control: dict[int, tuple[float, int]] = {}  # pending bind, enquire_link or unbind: at most one
        self._alive: asyncio.Future[None] | None = None  # resolved by enquire_link_resp
        self._heard = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._written = WriteBuffer(self._transport)
        own = self.settings
        self._heard = self._loop.time()
        bind = pdu.Bind(
            own.system_id, own.password, own.system_type, own.addr_ton, own.addr_npi, own.address_range
        )
        self._request(self.command, bind.body())
        self._schedule_sweep()
        prepare_socket(self._transport, own.response_timeout_s)  # last: the bind goes on if it fails

    def connection_lost(self, exc: Exception | None) -> None:
        self.finish(End("the connection broke" if exc else "the carrier closed the connection"))

    def pause_writing(self) -> None:
        self._paused_at = self._loop.time()

    def resume_writing(self) -> None:
        self._paused_at = None
        if self._transport is not None:
            self._transport.resume_reading()
        self.fill()

    def data_received(self, data: bytes) -> None:
        self._mark_heard()
        self._buffer += data
        settle, answers = self.in_flight.pop, 0
        try:
            for command, status, sequence, body in pdu.frames(self._buffer):
                if command == pdu.SUBMIT_SM_RESP:
                    piece = settle(sequence, None)
                    if piece is None:
                        self.link.counters.late_answers += 1
                    else:
                        answers += 1
                        piece[1].answered(piece[2], status, body)
                elif command == pdu.DELIVER_SM:
                    self._deliver_sm(sequence, body)
                elif command & pdu.RESPONSE:
                    self._response(command, status, sequence, body)
                else:
                    self._handle_request(command, sequence)
        except pdu.FrameError as error:
            self.finish(End(Phrase("The peer does not speak SMPP: {why}", why=error)))
        if answers:
            self._answers_came(answers)
        self._leave_when_idle()
        self.fill()

    def _mark_heard(self) -> None:
        self._heard = self._loop.time()
        if self.silent:
            self.silent = False
            self.link.answers_again(self.command)

    # Sending

    def sends(self) -> bool:
        return self.state is State.BOUND and self.command != pdu.BIND_RECEIVER

    def room(self) -> int:
        """Return how many messages may go now; none while a request of the bind itself is pending."""
        if not self.sends() or self._paused_at is not None or self._control:
            return 0
        return self.window.room(len(self.in_flight), self._loop.time())

    @property
    def is_probing(self) -> bool:
        """Whether answers are missing, so that at most a single message may go."""
        return self.silent or self.window.probing

    def waited_s(self) -> float:
        """Return for how long messages have waited without any answer."""
        sent = next((at for at, owner, _ in self.in_flight.values() if owner.submit_call is not None), None)
        since = self.window.waits_since(sent)
        return 0.0 if since is None else self._loop.time() - since

    def takes(self) -> bool:
        """Whether a message may go by this bind now or soon; not while it probes without answers."""
        return self.sends() and not self.silent and (not self.window.probing or self.room() > 0)

    def _answers_came(self, count: int) -> None:
        was_probing = self.window.probing
        self.window.answered(count, self._loop.time())
        self.link.answered()
        if was_probing:
            self.link.answers_again(self.command)

    def fill(self) -> None:
        """Write as much of the link's queue as the window allows, and other pending PDUs, in one write."""
        queue, out = self.link.queue, self._out
        room = self.room() if queue else 0
        if room > 0:
            now, sent = self._loop.time(), 0
            while queue and sent < room:
                owner, index = queue.popleft()
                if not owner.may_go(index):
                    owner.unsent(index, NOT_SENT)
                    continue
                sequence = self._next()
                self.in_flight[sequence] = (now, owner, index)
                out.append(owner.pdu(index, sequence))
                sent += 1
            self._count_sent(sent)
            queue.notify_if_empty()
        if out:
            self._flush()

    def _count_sent(self, count: int) -> None:
        if count:
            self.submits += count
            self.link.counters.submitted += count
            self.window.sent()

    def _next(self) -> int:
        sequence = self.sequence
        while True:
            sequence = sequence % pdu.MAX_SEQUENCE + 1
            if sequence not in self.in_flight and sequence not in self._control:
                self.sequence = sequence
                return sequence

    def _request(self, command: int, body: bytes = b"") -> None:
        sequence = self._next()
        self._control[sequence] = (self._loop.time(), command)
        self._send(pdu.frame(command, sequence, body))

    def _send(self, whole: bytes) -> None:
        """Write together with whatever else this loop iteration brings."""
        if self.state is State.ENDED:
            return
        self._out.append(whole)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        transport, written = self._transport, self._written
        if transport is None or written is None or not self._out:
            return
        written.write(self._out)
        self._out = []
        if self._paused_at is not None and transport.get_write_buffer_size() > UNREAD_LIMIT:
            transport.pause_reading()

    # Incoming PDUs

    def _response(self, command: int, status: int, sequence: int, body: bytes) -> None:
        waiting = self._control.get(sequence)
        if waiting is not None and command in (waiting[1] | pdu.RESPONSE, pdu.GENERIC_NACK):
            del self._control[sequence]
            self._control_answered(waiting[1], command, status)
        elif command in (pdu.QUERY_SM_RESP, pdu.GENERIC_NACK) and sequence in self.in_flight:
            _, owner, index = self.in_flight.pop(sequence)
            if owner.submit_call is not None:
                self._answers_came(1)
            if command == pdu.GENERIC_NACK:
                owner.nacked(index, status)
            else:
                owner.answered(index, status, body)
        elif command in (pdu.QUERY_SM_RESP, pdu.ENQUIRE_LINK | pdu.RESPONSE):
            self.link.counters.late_answers += 1
        else:
            self._unknown(command)

    def _control_answered(self, enquired: int, command: int, status: int) -> None:
        if enquired == pdu.UNBIND:
            self.finish(End("left"))
        elif enquired == pdu.ENQUIRE_LINK:
            if self._alive is not None and not self._alive.done():
                self._alive.set_result(None)
        elif enquired == self.command and self.state is State.BINDING:
            if status != pdu.ESME_ROK or command == pdu.GENERIC_NACK:
                self.finish(
                    End(Phrase("the carrier rejected the bind with {code}", code=code(status)), status)
                )
            else:
                self.state, self.bound_at = State.BOUND, self._loop.time()
                self.link.bound(self.command)

    def _handle_request(self, command: int, sequence: int) -> None:
        if command == pdu.ENQUIRE_LINK:
            self._send(pdu.frame(command | pdu.RESPONSE, sequence))
        elif command == pdu.UNBIND:
            self._send(pdu.frame(command | pdu.RESPONSE, sequence))
            self.finish(End("the carrier unbound"))
        else:
            self._unknown(command)
            self._send(pdu.frame(pdu.GENERIC_NACK, sequence, status=pdu.ESME_RINVCMDID))

    def _unknown(self, command: int) -> None:
        self.link.counters.unknown_pdus += 1
        self.link.odd("unknown command", f"0x{command:08X}")

    def _deliver_sm(self, sequence: int, body: bytes) -> None:
        if self.state not in (State.BOUND, State.LEAVING):
            self._answer_deliver(sequence, pdu.ESME_RINVBNDSTS)
            return
        try:
            message = pdu.read_short_message(body)
        except pdu.PduError as error:
            # Refuse permanently: an unanswered deliver_sm would be repeated after each rebind, for ever.
            self.link.counters.unreadable += 1
            self.link.odd("unreadable deliver_sm", str(error))
            self._answer_deliver(sequence, pdu.ESME_RX_P_APPN)
            return
        self.link.deliver(message, partial(self._acknowledge, sequence))

    def _acknowledge(self, sequence: int, accepted: bool) -> None:
        """Answer a deliver_sm, from the loop's thread. If the bind is gone, the carrier repeats it."""
        self._answer_deliver(sequence, pdu.ESME_ROK if accepted else pdu.ESME_RMSGQFUL)

    def _answer_deliver(self, sequence: int, status: int) -> None:
        self._send(pdu.HEADER.pack(17, pdu.DELIVER_SM_RESP, status, sequence) + b"\0")

    # Deadlines

    def _schedule_sweep(self) -> None:
        own = self.settings
        self._timer = self._loop.call_later(
            min(1.0, own.response_timeout_s / 4, own.enquire_link_s / 4), self._sweep
        )

    def _sweep(self) -> None:
        """Handle overdue answers, silence and enquire_link on the bind's only timer."""
        self._schedule_sweep()  # first: a fault below must not be the last sweep
        now = self._loop.time()
        deadline = now - self.settings.response_timeout_s
        overdue = self._overdue_control(deadline, now)
        if overdue:
            self.finish(
                End(
                    Phrase(
                        "{what} within {seconds} s",
                        what=overdue,
                        seconds=f"{self.settings.response_timeout_s:g}",
                    )
                )
            )
            return
        silent_since = self._expire(deadline, now)
        self._report_silence(now)
        if self.window.begins_to_hold(len(self.in_flight), now):
            n = self.window.unanswered + len(self.in_flight)
            why = Phrase(
                "no answer to {n} messages within {seconds} s",
                n=n,
                seconds=f"{self.settings.response_timeout_s:g}",
            )
            self.link.probing(self.command, why, n)
        silent = self._heard <= max(now - self.settings.enquire_link_s, silent_since)
        if silent and self.state is State.BOUND and not self._control:
            self._request(pdu.ENQUIRE_LINK)
        self._leave_when_idle()
        if self.window.probing:
            self.link.update()
        self.fill()

    def _report_silence(self, now: float) -> None:
        """Report silence when enquire_link has waited a third of its time and nothing came since."""
        long_ago = now - self.settings.response_timeout_s / 3
        enquired = [at for at, command in self._control.values() if command == pdu.ENQUIRE_LINK]
        if not self.silent and self.sends() and enquired and self._heard <= enquired[0] <= long_ago:
            self.silent = True
            why = Phrase("no traffic for {seconds} s", seconds=f"{now - self._heard:.0f}")
            self.link.probing(self.command, why, len(self.in_flight))

    def _overdue_control(self, deadline: float, now: float) -> str:
        """Return which response the peer owes the bind since before the deadline; empty if none."""
        for asked_at, command in self._control.values():
            if asked_at <= (max(deadline, now - UNBIND_S) if command == pdu.UNBIND else deadline):
                return Phrase("no answer to {command}", command=NAMES[command])
        if self._paused_at is not None and self._paused_at <= deadline:
            return "the carrier stopped reading"
        return ""

    def _expire(self, deadline: float, now: float) -> float:
        """Give up what was sent before the deadline; return when the newest of it was sent, 0 if none.

        If nothing was heard since then the peer may be dead: the sweep sends enquire_link before more is
        lost.
        """
        overdue = []
        for sequence, (sent, _, _) in self.in_flight.items():
            if sent > deadline:
                break
            overdue.append(sequence)
        newest = 0.0
        for sequence in overdue:
            newest, owner, index = self.in_flight.pop(sequence)
            if owner.submit_call is not None:
                self.window.given_up(newest, now)
            owner.lost(
                index, Phrase("no answer within {seconds} s", seconds=f"{self.settings.response_timeout_s:g}")
            )
        return newest

    async def enquire(self) -> bool:
        """Send enquire_link; False if the bind is not up, or ends before the answer."""
        if self.state is not State.BOUND:
            return False
        self._alive = self._loop.create_future()
        if not self._control:
            self._request(pdu.ENQUIRE_LINK)
        either: set[asyncio.Future[Any]] = {self._alive, self.end}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return self._alive.done()

    # The end

    async def leave(self) -> None:
        """Wait for answers, unbind, and close; each step has its deadline."""
        if self.state is State.BOUND:
            self.state = State.LEAVING
            self._leave_when_idle()
            await asyncio.wait([self.end], timeout=2.5 * self.settings.response_timeout_s)
        self.finish(End("left"))

    def lasted(self, seconds: float) -> bool:
        return self.bound_at is not None and self._loop.time() - self.bound_at > seconds

    def _leave_when_idle(self) -> None:
        if self.state is State.LEAVING and not self.in_flight and not self._control:
            self._request(pdu.UNBIND)

    def finish(self, end: End) -> None:
        """End the bind once: what is in flight becomes lost, or unsent if it never left this process."""
        if self.state is State.ENDED:
            return
        self._flush()
        self.state = State.ENDED
        if not self.end.done():  # the reconnector waits for it, and may have been cancelled
            self.end.set_result(end)
        if self._timer is not None:
            self._timer.cancel()
        unsent = self._written.leave(self.settings.response_timeout_s) if self._written else ()
        in_flight, self.in_flight = self.in_flight, {}
        for sequence, (_, owner, index) in in_flight.items():
            if sequence in unsent:
                owner.unsent(index, NOT_SENT)
            else:
                owner.lost(index, end.why)
        self.link.ended()

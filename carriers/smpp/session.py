"""One bind to a message centre: keeps its window full by callbacks; every message gets a result."""

from __future__ import annotations

import asyncio
from enum import Enum
from functools import partial
from typing import Any, cast

from carriers.contract import NOT_SENT
from carriers.smpp import pdu
from carriers.smpp.codes import code
from carriers.smpp.interfaces import BindOwner, End
from carriers.smpp.piece_queue import Owner
from carriers.smpp.settings import SmppSettings
from carriers.smpp.window import Window
from carriers.smpp.write_buffer import WriteBuffer, prepare_socket

# Above this much unread output stop reading too, so that a peer that only sends can't exhaust memory.
UNREAD_LIMIT = 1024 * 1024
UNBIND_S = 2.0  # how long to wait for unbind_resp; nothing is lost without it
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
        self.in_flight: dict[int, tuple[float, Owner, int]] = {}  # in the order of sending
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
            self.finish(End(f"the stream is no SMPP: {error}"))
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
                self.finish(End(f"the carrier refused the bind with {code(status)}", status))
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

    def _acknowledge(self, sequence: int, taken: bool) -> None:
        """Answer a deliver_sm, from the loop's thread. If the bind is gone, the carrier repeats it."""
        self._answer_deliver(sequence, pdu.ESME_ROK if taken else pdu.ESME_RMSGQFUL)

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
            self.finish(End(f"{overdue} within {self.settings.response_timeout_s:g} s"))
            return
        silent_since = self._expire(deadline, now)
        self._report_silence(now)
        if self.window.begins_to_hold(len(self.in_flight), now):
            n = self.window.unanswered + len(self.in_flight)
            why = f"no answer to {n} messages within {self.settings.response_timeout_s:g} s"
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
            why = f"nothing was heard for {now - self._heard:.0f} s"
            self.link.probing(self.command, why, len(self.in_flight))

    def _overdue_control(self, deadline: float, now: float) -> str:
        """Return which response the peer owes the bind since before the deadline; empty if none."""
        for asked_at, command in self._control.values():
            if asked_at <= (max(deadline, now - UNBIND_S) if command == pdu.UNBIND else deadline):
                return f"no answer to {NAMES[command]}"
        if self._paused_at is not None and self._paused_at <= deadline:
            return "the carrier read nothing"
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
            owner.lost(index, f"no answer within {self.settings.response_timeout_s:g} s")
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

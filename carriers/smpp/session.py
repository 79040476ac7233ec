"""One bind to a message centre: keeps its window full by callbacks, and never lets a message hang."""

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

# Above this much unread output no more is read either: a peer that only talks can't make us grow.
UNREAD_LIMIT = 1024 * 1024
UNBIND_S = 2.0  # for the answer to it: nothing is lost where it does not come
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
    """One connection and its bind. `command` says which: transmitter, receiver or transceiver."""

    def __init__(self, settings: SmppSettings, command: int, desk: BindOwner) -> None:
        self.settings, self.command, self.desk = settings, command, desk
        self.state = State.BINDING
        self.end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self.in_flight: dict[int, tuple[float, Owner, int]] = {}  # in the order of sending
        self.window = Window(settings.window, settings.reconnect_min_s, settings.probe_max_s)
        self.submits = 0
        self.sequence = 0
        self.bound_at: float | None = None
        self.silent = False  # nothing at all is heard, though answers are overdue
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._written: WriteBuffer | None = None
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._flush_due = False
        self._paused_at: float | None = None  # since when the peer does not read what we write
        self._control: dict[int, tuple[float, int]] = {}  # bind, enquire_link or unbind: at most one waits
        self._alive: asyncio.Future[None] | None = None  # somebody waits for enquire_link_resp
        self._heard = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    # ---- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._written = WriteBuffer(self._transport)
        own = self.settings
        self._heard = self._loop.time()
        prepare_socket(self._transport, own.response_timeout_s)
        bind = pdu.Bind(
            own.system_id, own.password, own.system_type, own.addr_ton, own.addr_npi, own.address_range
        )
        self._request(self.command, bind.body())
        self._arm()

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
        self._hear()
        self._buffer += data
        settle, answers = self.in_flight.pop, 0
        try:
            for command, status, sequence, body in pdu.frames(self._buffer):
                if command == pdu.SUBMIT_SM_RESP:
                    piece = settle(sequence, None)
                    if piece is None:
                        self.desk.counters.late_answers += 1
                    else:
                        answers += 1
                        piece[1].answered(piece[2], status, body)
                elif command == pdu.DELIVER_SM:
                    self._deliver_sm(sequence, body)
                elif command & pdu.RESPONSE:
                    self._response(command, status, sequence, body)
                else:
                    self._carrier_asks(command, sequence)
        except pdu.FrameError as error:
            self.finish(End(f"the stream is no SMPP: {error}"))
        if answers:
            self._answers_came(answers)
        self._leave_when_idle()
        self.fill()

    def _hear(self) -> None:
        self._heard = self._loop.time()
        if self.silent:
            self.silent = False
            self.desk.answers_again(self.command)

    # ---- sending

    def sends(self) -> bool:
        """Whether messages may go by this bind."""
        return self.state is State.BOUND and self.command != pdu.BIND_RECEIVER

    def room(self) -> int:
        """How many more messages may go out now; none while a request of the bind itself waits."""
        if not self.sends() or self._paused_at is not None or self._control:
            return 0
        return self.window.room(len(self.in_flight), self._loop.time())

    @property
    def is_held(self) -> bool:
        """Whether no answers come: at most a single message goes."""
        return self.silent or self.window.held

    def takes(self) -> bool:
        """Whether a message may go by this bind now or soon: not while it is held for want of answers."""
        return self.sends() and not self.silent and (not self.window.held or self.room() > 0)

    def _answers_came(self, count: int) -> None:
        was_held = self.window.held
        self.window.answered(count, self._loop.time())
        self.desk.answered()
        if was_held:
            self.desk.answers_again(self.command)

    def fill(self) -> None:
        """Write as much of the link's queue as the window takes, and all else that waits, in one write."""
        queue, out = self.desk.queue, self._out
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
            queue.look()
        if out:
            self._flush()

    def _count_sent(self, count: int) -> None:
        if count:
            self.submits += count
            self.desk.counters.submitted += count
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
        """Write with whatever else this iteration of the loop brings."""
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

    # ---- what the carrier says

    def _response(self, command: int, status: int, sequence: int, body: bytes) -> None:
        waiting = self._control.get(sequence)
        if waiting is not None and command in (waiting[1] | pdu.RESPONSE, pdu.GENERIC_NACK):
            del self._control[sequence]
            self._control_answered(waiting[1], command, status)
        elif command in (pdu.QUERY_SM_RESP, pdu.GENERIC_NACK) and sequence in self.in_flight:
            _, owner, index = self.in_flight.pop(sequence)
            if owner.parcel is not None:
                self._answers_came(1)
            if command == pdu.GENERIC_NACK:
                owner.nacked(index, status)
            else:
                owner.answered(index, status, body)
        elif command in (pdu.QUERY_SM_RESP, pdu.ENQUIRE_LINK | pdu.RESPONSE):
            self.desk.counters.late_answers += 1
        else:
            self._unknown(command)

    def _control_answered(self, asked: int, command: int, status: int) -> None:
        if asked == pdu.UNBIND:
            self.finish(End("left"))
        elif asked == pdu.ENQUIRE_LINK:
            if self._alive is not None and not self._alive.done():
                self._alive.set_result(None)
        elif asked == self.command and self.state is State.BINDING:
            if status != pdu.ESME_ROK or command == pdu.GENERIC_NACK:
                self.finish(End(f"the carrier refused the bind with {code(status)}", status))
            else:
                self.state, self.bound_at = State.BOUND, self._loop.time()
                self.desk.bound(self.command)

    def _carrier_asks(self, command: int, sequence: int) -> None:
        if command == pdu.ENQUIRE_LINK:
            self._send(pdu.frame(command | pdu.RESPONSE, sequence))
        elif command == pdu.UNBIND:
            self._send(pdu.frame(command | pdu.RESPONSE, sequence))
            self.finish(End("the carrier unbound"))
        else:
            self._unknown(command)
            self._send(pdu.frame(pdu.GENERIC_NACK, sequence, status=pdu.ESME_RINVCMDID))

    def _unknown(self, command: int) -> None:
        self.desk.counters.unknown_pdus += 1
        self.desk.odd("unknown command", f"0x{command:08X}")

    def _deliver_sm(self, sequence: int, body: bytes) -> None:
        if self.state not in (State.BOUND, State.LEAVING):
            self._answer_deliver(sequence, pdu.ESME_RINVBNDSTS)
            return
        try:
            message = pdu.read_short_message(body)
        except pdu.PduError as error:
            # A permanent refusal: an unanswered deliver_sm comes again after each rebind, for ever.
            self.desk.counters.unreadable += 1
            self.desk.odd("unreadable deliver_sm", str(error))
            self._answer_deliver(sequence, pdu.ESME_RX_P_APPN)
            return
        self.desk.deliver(message, partial(self._acknowledge, sequence))

    def _acknowledge(self, sequence: int, taken: bool) -> None:
        """Called by the receipt's taker, in the loop's thread. On a bind that is gone the carrier repeats."""
        self._answer_deliver(sequence, pdu.ESME_ROK if taken else pdu.ESME_RMSGQFUL)

    def _answer_deliver(self, sequence: int, status: int) -> None:
        self._send(pdu.frame(pdu.DELIVER_SM_RESP, sequence, b"\0", status))

    # ---- deadlines

    def _arm(self) -> None:
        own = self.settings
        self._timer = self._loop.call_later(
            min(1.0, own.response_timeout_s / 4, own.enquire_link_s / 4), self._sweep
        )

    def _sweep(self) -> None:
        """The one timer of the bind: overdue answers, silence, and leaving."""
        now = self._loop.time()
        deadline = now - self.settings.response_timeout_s
        dead = self._dead(deadline, now)
        if dead:
            self.finish(End(f"{dead} within {self.settings.response_timeout_s:g} s"))
            return
        silent_since = self._expire(deadline, now)
        self._look_for_silence(now)
        if self.window.begins_to_hold(len(self.in_flight), now):
            n = self.window.unanswered + len(self.in_flight)
            why = f"no answer to {n} messages within {self.settings.response_timeout_s:g} s"
            self.desk.held(self.command, why, n)
        silent = self._heard <= max(now - self.settings.enquire_link_s, silent_since)
        if silent and self.state is State.BOUND and not self._control:
            self._request(pdu.ENQUIRE_LINK)
        self._leave_when_idle()
        if self.window.held:
            self.desk.look()
        self.fill()
        self._arm()

    def _look_for_silence(self, now: float) -> None:
        """Say it when enquire_link has waited a third of its time and nothing at all came since."""
        long_ago = now - self.settings.response_timeout_s / 3
        asked = [at for at, command in self._control.values() if command == pdu.ENQUIRE_LINK]
        if not self.silent and self.sends() and asked and self._heard <= asked[0] <= long_ago:
            self.silent = True
            why = f"nothing was heard for {now - self._heard:.0f} s"
            self.desk.held(self.command, why, len(self.in_flight))

    def _dead(self, deadline: float, now: float) -> str:
        """What the peer owes to the bind itself since before the deadline; empty for nothing."""
        for asked_at, command in self._control.values():
            if asked_at <= (max(deadline, now - UNBIND_S) if command == pdu.UNBIND else deadline):
                return f"no answer to {NAMES[command]}"
        if self._paused_at is not None and self._paused_at <= deadline:
            return "the carrier read nothing"
        return ""

    def _expire(self, deadline: float, now: float) -> float:
        """Give up what was sent before the deadline; when the newest of it was sent, 0 for nothing.

        Nothing heard since then means that the peer may be dead: the sweep asks before more is lost.
        """
        overdue = []
        for sequence, (sent, _, _) in self.in_flight.items():
            if sent > deadline:
                break
            overdue.append(sequence)
        newest = 0.0
        for sequence in overdue:
            newest, owner, index = self.in_flight.pop(sequence)
            if owner.parcel is not None:
                self.window.given_up(newest, now)
            owner.lost(index, f"no answer within {self.settings.response_timeout_s:g} s")
        return newest

    async def enquire(self) -> bool:
        """Ask the carrier whether it is there; False where the bind is not up, or ends before the answer."""
        if self.state is not State.BOUND:
            return False
        self._alive = self._loop.create_future()
        if not self._control:
            self._request(pdu.ENQUIRE_LINK)
        either: set[asyncio.Future[Any]] = {self._alive, self.end}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return self._alive.done()

    # ---- the end

    async def leave(self) -> None:
        """Let what is in flight be answered, unbind, and close; each step has its deadline."""
        if self.state is State.BOUND:
            self.state = State.LEAVING
            self._leave_when_idle()
            await asyncio.wait([self.end], timeout=2.5 * self.settings.response_timeout_s)
        self.finish(End("left"))

    def lasted(self, seconds: float) -> bool:
        """Whether the bind held for longer than that."""
        return self.bound_at is not None and self._loop.time() - self.bound_at > seconds

    def _leave_when_idle(self) -> None:
        if self.state is State.LEAVING and not self.in_flight and not self._control:
            self._request(pdu.UNBIND)

    def finish(self, end: End) -> None:
        """The bind is over, if it was not already: what is in flight is lost, or was never sent, at once."""
        if self.state is State.ENDED:
            return
        self._flush()
        self.state = State.ENDED
        if self._timer is not None:
            self._timer.cancel()
        unsent = self._written.leave(self.settings.response_timeout_s) if self._written else ()
        in_flight, self.in_flight = self.in_flight, {}
        for sequence, (_, owner, index) in in_flight.items():
            if sequence in unsent:
                owner.unsent(index, NOT_SENT)
            else:
                owner.lost(index, end.why)
        self.end.set_result(end)
        self.desk.ended()

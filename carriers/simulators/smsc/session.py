"""One connection to the simulated message centre: bind state, buffered writes, receipt window."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from carriers.simulators.smsc.receipts import Delivery, SimulatedReceipt, SmscAccount
from carriers.smpp import pdu

if TYPE_CHECKING:
    from carriers.simulators.smsc.server import Smsc

RQUERYFAIL, RALYBND = 0x67, 0x05
RECEIVERS = (pdu.BIND_RECEIVER, pdu.BIND_TRANSCEIVER)
TRANSMITTERS = (pdu.BIND_TRANSMITTER, pdu.BIND_TRANSCEIVER)
REFUSED_FOR_NOW = {pdu.ESME_RMSGQFUL, pdu.ESME_RTHROTTLED, pdu.ESME_RSYSERR, pdu.ESME_RX_T_APPN}
BIND_ANSWER = b"loa-smsc\0" + pdu.tlv(0x0210, b"\x34")  # system_id, sc_interface_version
NOISE = bytes((i * 89 + 0xE9) % 255 + 1 for i in range(90))  # without zeros, so no C-string in it ends


class SmscSession(asyncio.Protocol):
    def __init__(self, centre: Smsc) -> None:
        self._centre = centre
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._flushing = False
        self._sequence = 0
        self._stalled = False
        self.transport: asyncio.Transport
        self.account = SmscAccount()  # a placeholder until it is bound
        self.bound_as = 0
        self.submits = 0
        self.closed = False
        self.queue: deque[Delivery] = deque()
        self.unacknowledged: dict[int, Delivery] = {}

    @property
    def receives(self) -> bool:
        return not self.closed and self.bound_as in RECEIVERS

    # Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream protocol's transport is a Transport
        self._centre.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._centre.left(self)

    def data_received(self, data: bytes) -> None:
        self._centre.last_heard_s = self._centre.loop.time()
        self._buffer += data
        try:
            for command, status, sequence, body in pdu.frames(self._buffer):
                HANDLERS.get(command, SmscSession._unknown)(self, command, status, sequence, body)
                if self.closed:
                    return
        except pdu.FrameError:
            self._centre.tally.bad_frames += 1
            self.send(pdu.frame(pdu.GENERIC_NACK, 0, status=pdu.ESME_RINVCMDLEN))
            self.leave()

    def pause_writing(self) -> None:
        self._stalled = True

    def resume_writing(self) -> None:
        self._stalled = False
        self.pump()

    def send(self, data: bytes) -> None:
        """Write together with whatever else this loop iteration brings."""
        self._out.append(data)
        if not self._flushing:
            self._flushing = True
            self._centre.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is buffered; nothing while the centre is silent."""
        self._flushing = False
        behaviour = self._centre.behaviour
        if behaviour.silent or self.closed or not self._out:
            return
        data = b"".join(self._out)
        self._out.clear()
        if behaviour.cut_writes and len(data) > 2:
            # Halve repeatedly, so that cuts fall everywhere, headers included.
            self._out.append(data[len(data) // 2 :])
            data = data[: len(data) // 2]
            self._flushing = True
            self._centre.loop.call_later(0.001, self.flush)
        self.transport.write(data)

    def drop(self) -> None:
        self._centre.tally.connections_dropped += 1
        self.closed = True
        self.transport.abort()

    def leave(self) -> None:
        self.flush()
        self.closed = True
        self.transport.close()

    def ask(self, command: int) -> None:
        self.send(pdu.frame(command, self._next_sequence()))

    def listen(self, listening: bool) -> None:
        """Read from the connection, or leave incoming data in the system's buffers."""
        if listening:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def garbage(self, kind: str) -> None:
        self._centre.tally.garbage_sent += 1
        if kind == "frame":  # its command_length is impossible: the stream is lost
            self.send(b"\xff" * 16 + NOISE)
        else:
            self.send(pdu.frame(pdu.DELIVER_SM, self._next_sequence(), NOISE))

    # Requests of the ESME

    def _answer(self, command: int, sequence: int, status: int, body: bytes = b"") -> None:
        self.send(pdu.frame(command | pdu.RESPONSE, sequence, body, status))

    def _bind(self, command: int, _status: int, sequence: int, body: bytes) -> None:
        try:
            system_id, password, _ = pdu.read_bind(body)
        except pdu.PduError:
            return self._answer(command, sequence, pdu.ESME_RINVCMDLEN)
        refused = RALYBND if self.bound_as else self._centre.refuse_bind(system_id, password)
        if refused:
            self._centre.tally.binds_refused += 1
            return self._answer(command, sequence, refused)
        self._answer(command, sequence, pdu.ESME_ROK, BIND_ANSWER)
        self.bound_as = command
        self._centre.bound(self, system_id)
        return None

    def _unbind(self, command: int, _status: int, sequence: int, _body: bytes) -> None:
        self._answer(command, sequence, pdu.ESME_ROK)
        self.leave()

    def _unbound(self, _command: int, _status: int, _sequence: int, _body: bytes) -> None:
        self.leave()

    def _enquire(self, command: int, _status: int, sequence: int, _body: bytes) -> None:
        self._answer(command, sequence, pdu.ESME_ROK)

    def _submit(self, command: int, _status: int, sequence: int, body: bytes) -> None:
        if self.bound_as in TRANSMITTERS:
            self.submits += 1
            self._centre.submit(self, sequence, body)
        else:
            self._answer(command, sequence, pdu.ESME_RINVBNDSTS)

    def _query(self, command: int, _status: int, sequence: int, body: bytes) -> None:
        if self.bound_as not in TRANSMITTERS:
            return self._answer(command, sequence, pdu.ESME_RINVBNDSTS)
        try:
            identity, _ = pdu.cstring(body, 0)
            state = self._centre.reporter.state(identity)
        except ValueError:  # includes PduError
            return self._answer(command, sequence, RQUERYFAIL)
        return self._answer(command, sequence, pdu.ESME_ROK, identity + b"\0\0" + bytes((state, 0)))

    def _unknown(self, command: int, _status: int, sequence: int, _body: bytes) -> None:
        if not command & pdu.RESPONSE:  # an answer is never answered
            self.send(pdu.frame(pdu.GENERIC_NACK, sequence, status=pdu.ESME_RINVCMDID))

    # Receipts

    def post(self, receipt: Delivery) -> None:
        self.queue.append(receipt)
        self.pump()

    def pump(self) -> None:
        """Fill the receipt window from this bind's own queue, then from its account's."""
        if not self.receives:
            return
        centre = self._centre
        window = centre.behaviour.receipt_window
        while len(self.unacknowledged) < window and not self._stalled:
            queue = self.queue or self.account.waiting
            if not queue:
                return
            receipt = queue.popleft()
            sequence = self._next_sequence()
            self.unacknowledged[sequence] = receipt
            self.send(centre.reporter.write(receipt, sequence))
            if isinstance(receipt, SimulatedReceipt) and receipt.message.answer_waits:
                centre.answer_waiting(receipt.message)

    def take_overdue(self, before_s: float) -> list[Delivery]:
        """Remove and return what was sent before `before_s` and not acknowledged."""
        overdue = [at for at, receipt in self.unacknowledged.items() if receipt.sent_at_s < before_s]
        return [self.unacknowledged.pop(sequence) for sequence in overdue]

    def _delivered(self, _command: int, status: int, sequence: int, _body: bytes) -> None:
        receipt = self.unacknowledged.pop(sequence, None)
        if receipt is None:
            self._centre.tally.acknowledgements_unexpected += 1
        elif status in REFUSED_FOR_NOW:
            self._centre.refused_for_now(receipt)
        else:
            self._centre.reporter.settle(receipt, refused=status != pdu.ESME_ROK)
        self.pump()

    def _nacked(self, _command: int, _status: int, sequence: int, body: bytes) -> None:
        if sequence in self.unacknowledged:
            self._delivered(pdu.GENERIC_NACK, pdu.ESME_RINVCMDID, sequence, body)

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % pdu.MAX_SEQUENCE + 1
        return self._sequence


HANDLERS: dict[int, Callable[[SmscSession, int, int, int, bytes], None]] = {
    pdu.SUBMIT_SM: SmscSession._submit,
    pdu.DELIVER_SM | pdu.RESPONSE: SmscSession._delivered,
    pdu.ENQUIRE_LINK: SmscSession._enquire,
    pdu.BIND_TRANSCEIVER: SmscSession._bind,
    pdu.BIND_TRANSMITTER: SmscSession._bind,
    pdu.BIND_RECEIVER: SmscSession._bind,
    pdu.UNBIND: SmscSession._unbind,
    pdu.UNBIND | pdu.RESPONSE: SmscSession._unbound,
    pdu.QUERY_SM: SmscSession._query,
    pdu.GENERIC_NACK: SmscSession._nacked,
}

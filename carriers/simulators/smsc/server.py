"""The simulated message centre on its port: connections, accounts, submits and answers."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from carriers.simulators.process import Simulator
from carriers.simulators.randomness import Pace, TimerWheel, fits, unit
from carriers.simulators.smsc.behaviour import BY_NUMBER, Ids, OutcomePicker, SmscBehaviour
from carriers.simulators.smsc.messages import Reader, SmscCounters, SmscStatistics
from carriers.simulators.smsc.receipts import (
    Delivery,
    Inbound,
    Reporter,
    SimulatedReceipt,
    SmscAccount,
    SmscMessage,
    body,
    contents,
)
from carriers.smpp import pdu

RQUERYFAIL, RALYBND = 0x67, 0x05
RECEIVERS = (pdu.BIND_RECEIVER, pdu.BIND_TRANSCEIVER)
TRANSMITTERS = (pdu.BIND_TRANSMITTER, pdu.BIND_TRANSCEIVER)
REFUSED_FOR_NOW = {pdu.ESME_RMSGQFUL, pdu.ESME_RTHROTTLED, pdu.ESME_RSYSERR, pdu.ESME_RX_T_APPN}
BIND_ANSWER = b"loa-smsc\0" + pdu.tlv(0x0210, b"\x34")  # system_id, sc_interface_version
NOISE = bytes((i * 89 + 0xE9) % 255 + 1 for i in range(90))  # without zeros, so no C-string in it ends
SUBMIT_RESP = pdu.SUBMIT_SM | pdu.RESPONSE
SWEEP_S = 0.25
OUT_OF_ORDER_S = 0.2
INBOUND_TO, INBOUND_TEXT = "8088", "Toi da doc, cam on"


# ---- Connections


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
        self._centre.tally.queries += 1
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
            return
        if status in REFUSED_FOR_NOW:
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


# ---- The centre


class Smsc(Simulator):
    """An SMPP message centre."""

    name = "smsc"
    port_by_default = 2775
    behaviour_type = SmscBehaviour
    epilog = "With --by-number the last four digits of the destination choose the outcome:\n" + "\n".join(
        f"  {ending.decode()}  {what}" for ending, (what, _, _) in BY_NUMBER.items()
    )

    @classmethod
    def add_flags(cls, parser: argparse.ArgumentParser) -> None:
        more: dict[str, Any] = {"action": "append", "default": [], "metavar": "SYSTEM_ID:PASSWORD"}
        parser.add_argument(
            "--account", help="an account that may bind; without this option, everybody may", **more
        )

    @classmethod
    def from_flags(cls, behaviour: SmscBehaviour, options: argparse.Namespace) -> Self:
        if wrong := [text for text in options.account if ":" not in text]:
            raise ValueError(f"--account {wrong[0]!r} must be SYSTEM_ID:PASSWORD")
        accounts = dict(text.split(":", 1) for text in options.account)
        return cls(behaviour, options.port, host=options.host, accounts=accounts or None)

    def __init__(
        self,
        behaviour: SmscBehaviour | None = None,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        accounts: Mapping[str, str] | None = None,  # system_id -> password; None: anybody may bind
    ) -> None:
        self.host, self.port = host, port
        self._behaviour = behaviour or SmscBehaviour()
        self._passwords = accounts
        self._accounts: dict[str, SmscAccount] = {}
        self.sessions: dict[SmscSession, None] = {}  # in the order of their connections, as a set is not
        self.tally, self._seen = SmscCounters(), SmscStatistics()
        self._pace, self._in_second, self._reader = Pace(), Pace(), Reader()
        self._ids = Ids(self._behaviour.seed)
        self._arrivals: list[float] | None = None  # moments of submits, once somebody asks
        self._texts: list[tuple[int, bytes]] | None = None  # numbers and starts of texts, likewise
        self._kept_back: list[SmscMessage] | None = None  # messages whose receipts are held back
        self._inbound_owed = 0.0

    async def __aenter__(self) -> Self:
        self.loop = asyncio.get_running_loop()
        self.last_heard_s = self.loop.time()
        self.reporter = Reporter(self.tally, self._ids, self.loop.time)
        self._timers, self._receipt_timers = TimerWheel(self.loop), TimerWheel(self.loop)
        self.behaviour = self._behaviour
        self._sweep(None)
        await self.start_accepting()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop_accepting()
        self._timers.close()
        self._receipt_timers.close()
        for session in self.sessions:
            session.drop()
        await asyncio.sleep(0)  # let connection_lost run before the loop may end

    # For tests and commands

    async def listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: SmscSession(self), self.host, self.port, backlog=1024)

    @property
    def behaviour(self) -> SmscBehaviour:
        return self._behaviour

    @behaviour.setter
    def behaviour(self, behaviour: SmscBehaviour) -> None:
        """Switch to this behaviour; messages taken before keep their outcome."""
        self._behaviour = behaviour
        self._chooser = OutcomePicker(behaviour)
        self.reporter.behave(behaviour)
        self._ids.use(behaviour.id_form, behaviour.receipt_id_form)
        self._receipt_timers.newest_first = behaviour.out_of_order
        self._receipt_spread_s = max(behaviour.receipt_spread_s, OUT_OF_ORDER_S * behaviour.out_of_order)
        for session in self.sessions:
            session.listen(not behaviour.deaf)
            session.flush()
            session.pump()

    def change(self, **behaviour: Any) -> None:
        self.behaviour = dataclasses.replace(self._behaviour, **behaviour)

    def arrivals(self) -> list[float]:
        """Return a list that collects the time of each submit from now on."""
        self._arrivals = []
        return self._arrivals

    def texts(self) -> list[tuple[int, bytes]]:
        """Return a list that collects number and start of the text of each part taken from now on."""
        self._texts = []
        return self._texts

    def keep_back(self) -> list[SmscMessage]:
        """Return a list that collects answered messages, whose receipts wait for `conclude`."""
        self._kept_back = []
        return self._kept_back

    def keep_back_no_more(self) -> None:
        """Report messages normally again; those kept back stay so."""
        self._kept_back = None

    def conclude(self, messages: Iterable[SmscMessage]) -> None:
        for message in messages:
            self.reporter.conclude(message)

    def drop_all(self) -> None:
        for session in tuple(self.sessions):
            session.drop()

    def drop_from(self, address: str) -> None:
        """Break every connection from this address, as if its host had stopped answering enquire_link."""
        for session in tuple(self.sessions):
            if session.transport.get_extra_info("peername")[0] == address:
                session.drop()

    def unbind_all(self) -> None:
        for session in tuple(self.sessions):
            session.ask(pdu.UNBIND)

    def copies(self, phone: str | int) -> int:
        """Return how many whole messages were taken for a number."""
        return self._seen.copies.get(int(phone), 0)

    def numbers(self) -> Iterator[int]:
        return iter(self._seen.copies)

    def taken(self) -> int:
        """Return how many parts were taken so far; cheap, however many there are."""
        return self._seen.parts

    def outstanding(self) -> int:
        return self.reporter.outstanding() + self.reporter.en_route()

    def in_order(self) -> Sequence[int]:
        """Return the number of every message or part taken, in order of arrival."""
        return self.reporter.phones

    def acknowledged(self) -> Iterator[tuple[int, int]]:
        """Yield (number, count of different ids) of every message with an acknowledged receipt."""
        return self.reporter.acknowledged()

    def write(self, source: str, destination: str, text: str, system_id: str = "") -> None:
        """Send a subscriber's text to this account, or to the first that has bound."""
        for content in contents(text, self.tally.inbound_due):
            self.write_raw(body(source, destination, content), system_id)

    def write_raw(self, body: bytes, system_id: str = "") -> None:
        """Send a deliver_sm with any content (`body` builds one)."""
        name = system_id or next(iter(self._accounts), "")
        self.reporter.bring(Inbound(self._accounts.setdefault(name, SmscAccount()), body))

    def binds(self) -> int:
        return sum(session.bound_as > 0 for session in self.sessions)

    def idle_s(self) -> float:
        idle = self.tally.submits and not self.outstanding()
        return self.loop.time() - self.last_heard_s if idle else 0.0

    def report(self) -> dict[str, Any]:
        return {
            **dataclasses.asdict(self.tally),
            **self._seen.report(),
            "messages_en_route": self.reporter.en_route(),
            "parts_by_state": self.reporter.by_state(),
            "receipts_outstanding": self.reporter.outstanding(),
            "submits_per_second_max": self._pace.peak,
        }

    # Connections

    def _sweep(self, _: None) -> None:
        self._send_inbound()
        self.reporter.repeat_overdue(self.sessions)
        self._timers.call(SWEEP_S, self._sweep, None)

    def _send_inbound(self) -> None:
        """Send the messages of subscribers that are due, to each account with a receiving bind in turn."""
        accounts = self._accounts.items()
        able = [name for name, one in accounts if any(each.receives for each in one.sessions)]
        if not able:
            return
        self._inbound_owed += self._behaviour.inbound * SWEEP_S
        while self._inbound_owed >= 1:
            self._inbound_owed -= 1
            n, phones = self.tally.inbound_due, self.reporter.phones
            source = phones[n % len(phones)] if phones else 84_912_000_000 + n
            self.write(str(source), INBOUND_TO, INBOUND_TEXT, able[n % len(able)])

    def joined(self, session: SmscSession) -> None:
        self.tally.connections += 1
        self.sessions[session] = None
        session.listen(not self._behaviour.deaf)

    def left(self, session: SmscSession) -> None:
        """Handle a lost connection: its receipts go to another bind of the account, or wait for one."""
        self.sessions.pop(session, None)
        if not session.bound_as:
            return
        session.account.sessions.remove(session)
        for receipt in (*session.unacknowledged.values(), *session.queue):
            self.reporter.route(receipt)
        session.unacknowledged.clear()
        session.queue.clear()

    def refuse_bind(self, system_id: str, password: str) -> int:
        """Return the status for a bind request; 0 if it is accepted."""
        if self._behaviour.refuse_binds:
            return self._behaviour.refuse_binds
        if self._passwords is not None and system_id not in self._passwords:
            return pdu.ESME_RINVSYSID
        if self._passwords is not None and self._passwords[system_id] != password:
            return pdu.ESME_RINVPASWD
        most, account = self._behaviour.max_binds, self._accounts.get(system_id)
        return pdu.ESME_RBINDFAIL if most and account and len(account.sessions) >= most else pdu.ESME_ROK

    def bound(self, session: SmscSession, system_id: str) -> None:
        self.tally.binds += 1
        session.account = self._accounts.setdefault(system_id, SmscAccount())
        session.account.sessions.append(session)
        session.pump()
        self._enquire_later(session)

    def _enquire_later(self, session: SmscSession) -> None:
        if self._behaviour.enquire_link_s and not session.closed:
            self._timers.call(self._behaviour.enquire_link_s, self._enquire, session)

    def _enquire(self, session: SmscSession) -> None:
        session.ask(pdu.ENQUIRE_LINK)
        self._enquire_later(session)

    # Submits

    def submit(self, session: SmscSession, sequence: int, body: bytes) -> None:
        now = self.loop.time()
        self.tally.submits += 1
        self._pace.add(now)
        if self._arrivals is not None:
            self._arrivals.append(now)
        try:
            kind, phone = self._reader.read(body)
        except pdu.PduError:
            return self._refuse(session, sequence, pdu.ESME_RINVMSGLEN)
        if not phone.isdigit() or len(phone) > 20:
            return self._refuse(session, sequence, pdu.ESME_RINVDSTADR)
        if unregistered := self._unregistered(body):
            return self._refuse(session, sequence, unregistered)
        plan = self._chooser.choose(phone, kind.part.number if kind.part else 1, self.tally.submits)
        status, limit = plan.answer.status, self._behaviour.rate_limit
        if not status and limit and self._in_second.add(now) > limit:
            status = pdu.ESME_RTHROTTLED
        if status:
            return self._refuse(session, sequence, status)
        return self._take(SmscMessage(session, sequence, len(self.reporter.states), phone, kind, plan))

    def _unregistered(self, body: bytes) -> int:
        """Return the status for a sender, a text or a parameter that is not as registered; 0 if all is."""
        own = self._behaviour
        if not (own.senders or own.registered or own.needs_tlv):
            return 0
        message = pdu.read_short_message(body)
        if own.senders and message.source.decode("latin-1") not in own.senders.split(","):
            return 0x0A
        if own.needs_tlv and own.needs_tlv not in message.tlvs:
            return 0xC3
        return 0 if fits(own.registered, message.message.decode("latin-1")) else 0x45

    def _refuse(self, session: SmscSession, sequence: int, status: int) -> None:
        if status in (pdu.ESME_RTHROTTLED, pdu.ESME_RMSGQFUL):
            self.tally.throttled += 1
        else:
            self.tally.refused += 1
        refusal = pdu.frame(SUBMIT_RESP, sequence, status=status)
        delay = self._answer_delay_s(self.tally.submits)
        if delay:
            self._timers.call(delay, session.send, refusal)
        else:
            session.send(refusal)

    def _take(self, message: SmscMessage) -> None:
        self._seen.add(int(message.phone), message.kind)
        if self._texts is not None:
            self._texts.append((int(message.phone), message.kind.text))
        self.reporter.taken(message)
        answer, session = message.plan.answer, message.session
        drops = answer.trouble == "drop" or 0 < self._behaviour.drop_after_submits <= session.submits
        if drops:
            session.drop()
        elif answer.trouble:
            session.garbage(answer.trouble)
        if answer.silent or session.closed:
            self.tally.never_answered += 1
            self._report_later(message)
        elif message.plan.reporting.early:
            message.answer_waits = True
            if not self.reporter.conclude(message):
                self.answer_waiting(message)
        else:
            self._answer_later(message)

    # Answers, and then receipts

    def _answer_delay_s(self, turn: int) -> float:
        behaviour = self._behaviour
        if not behaviour.answer_spread_s:
            return behaviour.answer_delay_s
        return behaviour.answer_delay_s + behaviour.answer_spread_s * unit(behaviour.seed, 4, turn)

    def answer_waiting(self, message: SmscMessage) -> None:
        """Answer a submit whose receipt had to come first."""
        message.answer_waits = False
        self._answer_later(message)

    def _answer_later(self, message: SmscMessage) -> None:
        delay = self._answer_delay_s(message.index)
        if delay:
            self._timers.call(delay, self._answer, message)
        else:
            self._answer(message)

    def _answer(self, message: SmscMessage) -> None:
        identity = self._ids.answer(message.index) + b"\0"
        message.session.send(pdu.frame(SUBMIT_RESP, message.sequence, identity))
        self.tally.answered += 1
        if not message.plan.reporting.early:
            self._report_later(message)

    def _report_later(self, message: SmscMessage) -> None:
        if self._kept_back is not None:
            self._kept_back.append(message)
            return
        behaviour = self._behaviour
        delay = behaviour.receipt_delay_s
        if self._receipt_spread_s:
            delay += self._receipt_spread_s * unit(behaviour.seed, 5, message.index)
        if delay:
            self._receipt_timers.call(delay, self.reporter.conclude, message)
        else:
            self.reporter.conclude(message)

    def refused_for_now(self, receipt: Delivery) -> None:
        """Send a receipt or message again after a pause: the ESME could not take it."""
        if isinstance(receipt, Inbound):
            self.tally.inbound_refused_for_now += 1
        else:
            self.tally.receipts_refused_for_now += 1
        self._receipt_timers.call(self._behaviour.receipt_pause_s, self.reporter.route, receipt)

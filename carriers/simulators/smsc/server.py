"""The simulated message centre on its port: accounts, submits, answers and receipts."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from carriers.simulators.process import Simulator
from carriers.simulators.randomness import Pace, TimerWheel, unit
from carriers.simulators.smsc.behaviour import BY_NUMBER, Ids, OutcomePicker, SmscBehaviour
from carriers.simulators.smsc.messages import Reader, SmscCounters, SmscStatistics
from carriers.simulators.smsc.receipts import (
    Delivery,
    Inbound,
    Reporter,
    SmscAccount,
    SmscMessage,
    body,
    contents,
)
from carriers.simulators.smsc.session import SmscSession
from carriers.smpp import pdu

SUBMIT_RESP = pdu.SUBMIT_SM | pdu.RESPONSE
SWEEP_S = 0.25
OUT_OF_ORDER_S = 0.2
INBOUND_TO, INBOUND_TEXT = "8088", "Toi da doc, cam on"


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
        parser.add_argument("--account", help="who may bind; without any, all may", **more)

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
        self._server: asyncio.Server | None = None
        self._accounts: dict[str, SmscAccount] = {}
        self.sessions: dict[SmscSession, None] = {}  # in the order of their connections, as a set is not
        self.tally, self._seen = SmscCounters(), SmscStatistics()
        self._pace, self._in_second, self._reader = Pace(), Pace(), Reader()
        self._ids = Ids(self._behaviour.seed)
        self._arrivals: list[float] | None = None  # moments of submits, once somebody asks
        self._texts: list[tuple[int, bytes]] | None = None  # numbers and starts of texts, likewise
        self._kept_back: list[SmscMessage] | None = None  # messages whose receipts are held back
        self._first_submit_s = self._inbound_owed = 0.0

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

    async def start_accepting(self) -> None:
        """Listen, on the same port again after stop_accepting()."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SmscSession(self), self.host, self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop_accepting(self) -> None:
        """Refuse new connections; existing binds stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

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
        """Send a deliver_sm with any content (receipts.body builds one)."""
        name = system_id or next(iter(self._accounts), "")
        self.reporter.bring(Inbound(self._accounts.setdefault(name, SmscAccount()), body))

    def binds(self) -> int:
        return sum(session.bound_as > 0 for session in self.sessions)

    def idle_s(self) -> float:
        idle = self.tally.submits and not self.outstanding()
        return self.loop.time() - self.last_heard_s if idle else 0.0

    def report(self) -> dict[str, Any]:
        last = self.reporter.last_acknowledged_s
        return {
            **dataclasses.asdict(self.tally),
            **self._seen.report(),
            "messages_en_route": self.reporter.en_route(),
            "parts_by_state": self.reporter.by_state(),
            "receipts_outstanding": self.reporter.outstanding(),
            "submits_per_second_max": self._pace.peak,
            "first_submit_to_last_receipt_s": round(max(0.0, last - self._first_submit_s), 3),
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
        self._first_submit_s = self._first_submit_s or now
        self._pace.add(now)
        if self._arrivals is not None:
            self._arrivals.append(now)
        try:
            kind, phone = self._reader.read(body)
        except pdu.PduError:
            self.tally.submits_unreadable += 1
            return self._refuse(session, sequence, pdu.ESME_RINVMSGLEN)
        if not phone.isdigit() or len(phone) > 20:
            return self._refuse(session, sequence, pdu.ESME_RINVDSTADR)
        plan = self._chooser.choose(phone, kind.part.number if kind.part else 1, self.tally.submits)
        status, limit = plan.answer.status, self._behaviour.rate_limit
        if not status and limit and self._in_second.add(now) > limit:
            status = pdu.ESME_RTHROTTLED
        if status:
            return self._refuse(session, sequence, status)
        return self._take(SmscMessage(session, sequence, len(self.reporter.states), phone, kind, plan))

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
        if not isinstance(receipt, Inbound):
            self.tally.receipts_refused_for_now += 1
        self._receipt_timers.call(self._behaviour.receipt_pause_s, self.reporter.route, receipt)

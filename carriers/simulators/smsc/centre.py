"""The logic of the simulated message centre: accounts, submits, answers and receipts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict

from carriers.simulators.randomness import unit
from carriers.simulators.smsc.behaviour import SmscBehaviour
from carriers.simulators.smsc.deliveries import (
    BindPort,
    Inbound,
    SimulatedReceipt,
    SmscAccount,
    SmscMessage,
    body,
    contents,
)
from carriers.simulators.smsc.ids import Ids
from carriers.simulators.smsc.messages import Reader
from carriers.simulators.smsc.outcome_picker import OutcomePicker
from carriers.simulators.smsc.outcomes import LinkTrouble
from carriers.simulators.smsc.reporter import Reporter
from carriers.simulators.smsc.session import SmscSession
from carriers.simulators.smsc.statistics import Pace, SmscCounters, SmscStatistics
from carriers.simulators.timer_wheel import TimerWheel
from carriers.smpp import pdu

SUBMIT_RESP = pdu.SUBMIT_SM | pdu.RESPONSE
SWEEP_S = 0.25
OUT_OF_ORDER_S = 0.2


class Centre:
    """The state behind all connections; accounts are system_id -> password, None accepts anybody."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, behaviour: SmscBehaviour, accounts: Mapping[str, str] | None
    ):
        self.loop = loop
        self.tally, self.seen, self.pace = SmscCounters(), SmscStatistics(), Pace()
        self.arrivals: list[float] | None = None  # moments of submits, once somebody asks
        self.texts: list[tuple[int, bytes]] | None = None  # numbers and starts of texts, likewise
        self.kept_back: list[SmscMessage] | None = None  # messages whose receipts are held back
        self.sessions: dict[SmscSession, None] = {}  # in the order of their connections, as a set is not
        self.last_heard_s = loop.time()
        self.first_submit_s = 0.0
        self._passwords = accounts
        self._accounts: dict[str, SmscAccount] = {}
        self._ids, self._chooser = Ids(behaviour.seed), OutcomePicker()
        self.reporter = Reporter(self.tally, self._ids, loop.time)
        self._in_second = Pace()
        self._timers, self._receipt_timers = TimerWheel(loop), TimerWheel(loop)
        self.behave(behaviour)
        self._inbound_owed = 0.0
        self._sweep(None)

    def behave(self, behaviour: SmscBehaviour) -> None:
        """Switch to this behaviour; messages taken before keep their outcome."""
        self.behaviour = behaviour
        self._reader = Reader(behaviour)
        self._chooser.behave(behaviour)
        self.reporter.behave(behaviour)
        self._ids.use(behaviour.id_form, behaviour.receipt_id_form)
        self._receipt_timers.newest_first = behaviour.out_of_order
        self._receipt_spread_s = max(behaviour.receipt_spread_s, OUT_OF_ORDER_S * behaviour.out_of_order)
        for session in self.sessions:
            session.listen(not behaviour.deaf)
            session.flush()
            session.pump()

    def close(self) -> None:
        self._timers.close()
        self._receipt_timers.close()
        for session in self.sessions:
            session.drop()

    def _sweep(self, _: None) -> None:
        self._send_inbound()
        self.reporter.repeat_overdue(self.sessions)
        self._timers.call(SWEEP_S, self._sweep, None)

    def _send_inbound(self) -> None:
        """Send the messages of subscribers that are due, to each account with a receiving bind in turn."""
        behaviour, able = self.behaviour, [each for each in self._accounts.values() if each.any_bind()]
        if not able:
            return
        self._inbound_owed += behaviour.inbound * SWEEP_S
        while self._inbound_owed >= 1:
            self._inbound_owed -= 1
            n, phones = self.tally.inbound_due, self.reporter.phones
            source = phones[n % len(phones)] if phones else 84_912_000_000 + n
            self.bring(able[n % len(able)], (str(source), behaviour.inbound_to), behaviour.inbound_text)

    def account(self, system_id: str = "") -> SmscAccount:
        """Return the account of this name, or the first that has ever bound."""
        if system_id or not self._accounts:
            return self._accounts.setdefault(system_id, SmscAccount())
        return next(iter(self._accounts.values()))

    def bring(self, account: SmscAccount, way: tuple[str, str], text: str) -> None:
        """Send a subscriber's text to an account; way: (from number, to number)."""
        for content in contents(text, self.tally.inbound_due):
            self.reporter.bring(Inbound(account, body(*way, content)))

    # Connections

    def joined(self, session: SmscSession) -> None:
        self.tally.connections += 1
        self.sessions[session] = None
        session.listen(not self.behaviour.deaf)

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
        if self.behaviour.refuse_binds:
            return self.behaviour.refuse_binds
        if self._passwords is not None and system_id not in self._passwords:
            return pdu.ESME_RINVSYSID
        if self._passwords is not None and self._passwords[system_id] != password:
            return pdu.ESME_RINVPASWD
        return pdu.ESME_RBINDFAIL if self._has_all_its_binds(system_id) else pdu.ESME_ROK

    def _has_all_its_binds(self, system_id: str) -> bool:
        most, account = self.behaviour.max_binds, self._accounts.get(system_id)
        return bool(most and account and len(account.sessions) >= most)

    def bound(self, session: SmscSession, system_id: str) -> None:
        self.tally.binds += 1
        session.account = self._accounts.setdefault(system_id, SmscAccount())
        session.account.sessions.append(session)
        session.pump()
        self._enquire_later(session)

    def _enquire_later(self, session: SmscSession) -> None:
        if self.behaviour.enquire_link_s and not session.closed:
            self._timers.call(self.behaviour.enquire_link_s, self._enquire, session)

    def _enquire(self, session: SmscSession) -> None:
        session.ask(pdu.ENQUIRE_LINK)
        self._enquire_later(session)

    # Submits

    def submit(self, session: SmscSession, sequence: int, body: bytes) -> None:
        now = self.loop.time()
        self.tally.submits += 1
        self.first_submit_s = self.first_submit_s or now
        self.pace.add(now)
        if self.arrivals is not None:
            self.arrivals.append(now)
        try:
            kind, phone = self._reader.read(body)
        except pdu.PduError:
            self.tally.submits_unreadable += 1
            return self._refuse(session, sequence, pdu.ESME_RINVMSGLEN)
        if kind.refused or not phone.isdigit() or len(phone) > 20:
            return self._refuse(session, sequence, kind.refused or pdu.ESME_RINVDSTADR)
        plan = self._chooser.choose(phone, kind.part_number, self.tally.submits)
        status = plan.answer.status or self._over_rate(now)
        if status:
            return self._refuse(session, sequence, status)
        if plan.answer.trouble is LinkTrouble.DROP_UNTAKEN:
            return self._drop(session)
        return self._take(SmscMessage(session, sequence, len(self.reporter.states), phone, kind, plan))

    def _over_rate(self, now: float) -> int:
        limit = self.behaviour.rate_limit
        over = limit and self._in_second.add(now) > limit
        return pdu.ESME_RTHROTTLED if over else pdu.ESME_ROK

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

    def _drop(self, session: BindPort) -> None:
        self.tally.connections_dropped += 1
        session.drop()

    def _take(self, message: SmscMessage) -> None:
        self.seen.add(int(message.phone), message.kind)
        if self.texts is not None:
            self.texts.append((int(message.phone), message.kind.text))
        self.reporter.taken(message)
        message.submitted = self.reporter.writer.date()
        answer, session = message.plan.answer, message.session
        if answer.trouble in (LinkTrouble.BAD_FRAME, LinkTrouble.BAD_BODY, LinkTrouble.BAD_COMMAND):
            session.garbage(answer.trouble)
        if self._breaks_after(session) or answer.trouble is LinkTrouble.DROP:
            self._drop(session)
        if answer.silent or session.closed:
            self.tally.never_answered += 1
            self._report_later(message)
        elif message.plan.reporting.early:
            message.answer_waits = True
            if not self.reporter.conclude(message):
                self.answer_waiting(message)
        else:
            self._answer_later(message)

    def _breaks_after(self, session: BindPort) -> bool:
        return 0 < self.behaviour.drop_after_submits <= session.submits

    # Answers, and then receipts

    def _answer_delay_s(self, turn: int) -> float:
        behaviour = self.behaviour
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
        body = b"" if message.plan.answer.without_id else self._ids.answer(message.index) + b"\0"
        message.session.send(pdu.frame(SUBMIT_RESP, message.sequence, body))
        self.tally.answered += 1
        if not message.plan.reporting.early:
            self._report_later(message)

    def _report_later(self, message: SmscMessage) -> None:
        if self.kept_back is not None:
            self.kept_back.append(message)
            return
        behaviour = self.behaviour
        delay = behaviour.receipt_delay_s
        if self._receipt_spread_s:
            delay += self._receipt_spread_s * unit(behaviour.seed, 5, message.index)
        if delay:
            self._receipt_timers.call(delay, self.reporter.conclude, message)
        else:
            self.reporter.conclude(message)

    def refused_for_now(self, receipt: SimulatedReceipt | Inbound) -> None:
        """Send a receipt or message again after a pause: the ESME could not take it."""
        if isinstance(receipt, Inbound):
            self.tally.inbound_refused_for_now += 1
        else:
            self.tally.receipts_refused_for_now += 1
        self._receipt_timers.call(self.behaviour.receipt_pause_s, self.reporter.route, receipt)

    def report(self) -> dict[str, object]:
        tally = asdict(self.tally)
        last = self.reporter.last_acknowledged_s
        return {
            **tally,
            **self.seen.report(),
            "messages_en_route": self.reporter.en_route(),
            "parts_by_state": self.reporter.by_state(),
            "receipts_outstanding": self.reporter.outstanding(),
            "submits_per_second_max": self.pace.peak,
            "first_submit_to_last_receipt_s": round(max(0.0, last - self.first_submit_s), 3),
        }

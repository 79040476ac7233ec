"""The state of a simulated carrier: troubles, messages, their outcomes and receipts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from carriers.simulators.randomness import unit
from carriers.simulators.timer_wheel import TimerWheel
from carriers.simulators.web import behaviour as web_behaviour
from carriers.simulators.web.behaviour import WebBehaviour
from carriers.simulators.web.exchange import SimulatedRequest
from carriers.simulators.web.faults import HttpTrouble
from carriers.simulators.web.messages import MessageStore, WebCounters, WebMessage
from carriers.simulators.web.webhook import Webhook, WebhookPoster, receipt
from carriers.text import segments

OUT_OF_ORDER_S = 0.2


class CarrierState:
    """All that the carrier knows; `handle` takes, refuses and throttles messages through it."""

    def __init__(self, behaviour: WebBehaviour, webhook: Webhook | None) -> None:
        self._loop = asyncio.get_running_loop()
        self.tally, self.book = WebCounters(), MessageStore()
        self.next_troubles = deque(web_behaviour.first_troubles(behaviour))
        self.last_heard_s = self._first_submit_s = self._last_done_s = self._loop.time()
        self._second, self._in_second, self._submits_in_second, self._peak = -1, 0, 0, 0
        self._pending = 0  # messages without an outcome yet
        self._timers = TimerWheel(self._loop)
        self._poster = WebhookPoster(webhook, self.tally, behaviour) if webhook else None
        self.behave(behaviour)

    def behave(self, behaviour: WebBehaviour) -> None:
        """Switch to this behaviour; messages taken before keep their outcome."""
        self.behaviour = behaviour
        self._troubles = web_behaviour.troubles(behaviour)
        self._outcomes = web_behaviour.outcomes(behaviour)
        self._reportings = web_behaviour.reportings(behaviour)
        self._refused = tuple(filter(None, behaviour.refused.replace(" ", "").split(",")))
        self._timers.newest_first = behaviour.out_of_order
        if self._poster is not None:
            self._poster.behaviour = behaviour

    async def close(self) -> None:
        self._timers.close()
        if self._poster is not None:
            await self._poster.close()

    # Requests

    def heard(self, is_submit: bool) -> HttpTrouble:
        self.tally.requests += 1
        self.last_heard_s = self._loop.time()
        meets = {"submits": is_submit, "others": not is_submit, "all": True}[self.behaviour.trouble_on]
        trouble = self._trouble() if meets else HttpTrouble.NONE
        if trouble is not HttpTrouble.NONE:
            self.tally.trouble(trouble.value)
        return trouble

    def _trouble(self) -> HttpTrouble:
        if self.next_troubles:
            return self.next_troubles.popleft()
        return self._troubles.draw(unit(self.behaviour.seed, 1, self.tally.requests))

    def answer_delay_s(self) -> float:
        spread = self.behaviour.answer_spread_s
        return self.behaviour.answer_delay_s + spread * unit(self.behaviour.seed, 4, self.tally.requests)

    # Messages

    def is_welcome(self, user: str, password: str) -> bool:
        return self.behaviour.account in ("", f"{user}:{password}")

    def is_refused(self, phone: str) -> bool:
        return bool(self._refused) and phone.endswith(self._refused)

    def is_too_fast(self, parts: int = 1, submits: int = 1) -> bool:
        """Whether to throttle these messages now; if so, count them as throttled."""
        drawn = unit(self.behaviour.seed, 5, self.tally.submits) < self.behaviour.throttle
        self._tick()
        limit = self.behaviour.rate_limit
        if not drawn and (not limit or self._in_second + parts <= limit):
            self._in_second += parts
            return False
        self._count(submits)
        self.tally.throttled += submits
        return True

    def refuse(self, submits: int = 1) -> None:
        self._count(submits)
        self.tally.refused += submits

    def take(
        self, request: SimulatedRequest, phone: str, text: str, sender: str, request_id: str = ""
    ) -> WebMessage:
        """Take one message; its outcome depends on the seed and the number alone."""
        self._count(1)
        seed, number = self.behaviour.seed, int(phone) if phone.isdecimal() else 0
        outcome = self._outcomes.draw(unit(seed, 2, number))
        reporting = self._reportings.draw(unit(seed, 3, number))
        index, now = len(self.book.messages), datetime.now(UTC)
        message = WebMessage(index, phone, text, sender, request_id, segments(text), outcome, reporting, now)
        self.book.add(message)
        self._pending += 1
        request.taken.append(message)
        return message

    def _tick(self) -> None:
        second = int(self._loop.time())
        if second != self._second:
            self._second, self._in_second, self._submits_in_second = second, 0, 0

    def _count(self, submits: int) -> None:
        if not self.tally.submits:
            self._first_submit_s = self._loop.time()
        self._tick()
        self.tally.submits += submits
        self._submits_in_second += submits
        self._peak = max(self._peak, self._submits_in_second)

    # Outcomes

    async def report_early(self, taken: Iterable[WebMessage]) -> None:
        """Post the receipts that come before the answer, and wait for that."""
        early = [message for message in taken if message.reporting.early]
        for message in early:
            self._settle(message)
            self.tally.receipts_due += 1
        if self._poster is not None:
            for message in early:
                await self._poster.post([receipt(message)])

    def report_later(self, taken: Iterable[WebMessage]) -> None:
        """Schedule the outcomes of the others."""
        behaviour = self.behaviour
        spread_s = max(behaviour.receipt_spread_s, OUT_OF_ORDER_S * behaviour.out_of_order)
        for message in taken:
            if message.done_at is None:
                delay_s = behaviour.receipt_delay_s + spread_s * unit(behaviour.seed, 6, message.index)
                self._timers.call(delay_s, self._conclude, message)

    def _settle(self, message: WebMessage) -> None:
        message.done_at = datetime.now(UTC)
        self._pending -= 1

    def _conclude(self, message: WebMessage) -> None:
        self._settle(message)
        times = message.reporting.times
        if not times:
            self.tally.never_reported += 1
            return
        self.tally.receipts_due += times
        self._last_done_s = self._loop.time()
        if self._poster is not None:
            self._poster.add([receipt(message)] * times + self._foreign(message))

    def _foreign(self, message: WebMessage) -> list[dict[str, Any]]:
        """Return a receipt for a message that was never taken, if drawn."""
        if unit(self.behaviour.seed, 7, message.index) >= self.behaviour.foreign:
            return []
        self.tally.receipts_foreign += 1
        return [{**receipt(message), "request_id": f"foreign-{message.index}", "msisdn": "84000000000"}]

    # Statistics

    def outstanding(self) -> int:
        return self._poster.outstanding() if self._poster is not None else 0

    def idle_s(self) -> float:
        """Return the seconds since the last request; 0 before the first submit and while anything is due."""
        if not self.tally.submits or self.outstanding() or self._pending:
            return 0.0
        return self._loop.time() - self.last_heard_s

    def report(self) -> dict[str, Any]:
        return {
            **asdict(self.tally),
            **self.book.report(),
            "receipts_outstanding": self.outstanding(),
            "submits_per_second_max": self._peak,
            "first_submit_to_last_fate_s": round(max(0.0, self._last_done_s - self._first_submit_s), 3),
        }

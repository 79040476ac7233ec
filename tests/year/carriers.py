"""The three carriers of the year: two message centres over SMPP and one over HTTP, and what each took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Self

from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.simulators.smsc.receipts import SmscMessage
from carriers.simulators.viettel import Viettel, ViettelBehaviour
from carriers.simulators.web.webhook import Webhook
from tests.faults.processes import Home, smpp_link

SECRET = "year-0123456789abcdef"  # of these tests alone
FIRST = {"vnpt": 84_912_000_000, "mobifone": 84_901_000_000, "viettel": 84_962_000_000}
BEHAVIOUR = SmscBehaviour(
    answer_delay_s=0.01,
    receipt_delay_s=0.2,
    receipt_window=500,
    foreign=0.01,
    twice=0.02,
    outcomes="UNDELIV/001=0.03",
)
# What of a text a centre keeps; the year's texts begin with a number of their own.
MARK = 4
_DAY_H = 24.0


@dataclass(slots=True)
class Carriers:
    """Started and stopped as one; `rate`: what each link may send in a second."""

    home: Home
    rate: int
    vnpt: Smsc = field(init=False)
    mobifone: Smsc = field(init=False)
    viettel: Viettel = field(init=False)
    vnpt_link: int = 1  # links are renamed: vnpt-1, vnpt-2 ...
    _texts: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    _before: Counter[tuple[int, str]] = field(default_factory=Counter)

    async def __aenter__(self) -> Self:
        hook = Webhook(f"{self.home.base}/webhooks/viettel/viettel-1", SECRET)
        web = ViettelBehaviour(receipt_delay_s=0.2, receipt_batch=20, outcomes="UNDELIV/001=0.03")
        self.viettel = await Viettel(replace(web, duplicate_min=0.0), webhook=hook).__aenter__()
        self.vnpt = await self._centre("vnpt", BEHAVIOUR)
        self.mobifone = await self._centre("mobifone", BEHAVIOUR)
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in (self.viettel, self.vnpt, self.mobifone):
            await each.__aexit__()

    async def _centre(self, name: str, behaviour: SmscBehaviour, port: int = 0) -> Smsc:
        found = await Smsc(behaviour, port).__aenter__()
        self._texts[name] = found.texts()
        return found

    async def ids_begin_again(self) -> None:
        """MobiFone's centre is set up anew: it gives the ids of its first messages a second time."""
        self._before += self._counted("mobifone")
        old = self.mobifone
        await old.__aexit__()
        self.mobifone = await self._centre("mobifone", old.behaviour, old.port)

    def links(self) -> dict[str, dict[str, object]]:
        """One link to each, as loa.toml has them."""
        web: dict[str, object] = {"carrier": "viettel", "kind": "viettel", "base_url": self.viettel.url}
        web |= {"user": "loa", "password": "loa-0", "cp_code": "SLA", "receipt_level": "handset"}
        web |= {"accented": False, "segments_per_second": self.rate, "in_flight": 10, "answer_timeout_s": 5.0}
        return {
            f"vnpt-{self.vnpt_link}": smpp_link("vnpt", self.vnpt.port, segments_per_second=self.rate),
            "mobifone-1": smpp_link("mobifone", self.mobifone.port, segments_per_second=self.rate),
            "viettel-1": web,
        }

    def tables(self) -> str:
        """What a table in loa.toml has to hold besides."""
        return f'\n[links.viettel-1.webhook]\nhmac_secret = "{SECRET}"\n'

    def taken(self, carrier: str) -> int:
        """How many messages this carrier has taken until now, since its centre was set up."""
        if carrier == "viettel":
            return len(self.viettel.messages)
        centre: Smsc = getattr(self, carrier)
        return centre.taken()

    def binds(self) -> int:
        return self.vnpt.binds() + self.mobifone.binds()

    def _counted(self, centre: str) -> Counter[tuple[int, str]]:
        return Counter((phone, text[:MARK].decode()) for phone, text in self._texts[centre])

    def copies(self) -> Counter[tuple[int, str]]:
        """How often each number got each campaign's text, by the carriers' own count."""
        web = Counter((int(each.phone), each.text[:MARK]) for each in self.viettel.messages)
        return self._before + self._counted("vnpt") + self._counted("mobifone") + web

    def outstanding(self) -> int:
        """Receipts that were brought and not acknowledged so far."""
        centres = (self.vnpt.report(), self.mobifone.report())
        waiting = sum(each["receipts_due"] - each["receipts_acknowledged"] for each in centres)
        return int(waiting) + self.viettel.outstanding()


@contextmanager
def dated(centre: Smsc, days_ago: int) -> Iterator[None]:
    """Receipts that are written meanwhile bear a date of so many days ago."""
    offset = centre.behaviour.utc_offset_h
    centre.change(utc_offset_h=offset - days_ago * _DAY_H)
    try:
        yield
    finally:
        centre.change(utc_offset_h=offset)


@dataclass(frozen=True, slots=True)
class Late:
    """Messages whose receipts come weeks late: of which run, in which round they come, how old they are."""

    run: int
    messages: list[SmscMessage]
    due_round: int
    days: int

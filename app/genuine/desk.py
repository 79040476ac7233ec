"""Who asks how often, and the texts that may be asked about; of what is asked nothing is kept."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Connection, func, select

from app import clock
from app.db import Database
from app.genuine.compare import Finding, Known, Texts, Use, in_order
from app.genuine.words import words
from app.http.buckets import Buckets, TooOften, subscriber
from app.models import campaigns, runs

_FRESH_S = 10.0
_RETRY = "Retry-After"
_OPEN = 2**62  # the end of a run that has none yet
Address = Callable[[str, str], str]


@dataclass(slots=True)
class Desk:
    """One for each application. per_minute: questions of one address (IPv6: of its network of 64 bits)."""

    db: Database
    per_minute: int
    address: Address
    _buckets: Buckets = field(init=False)
    _texts: Texts | None = None
    _read_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._buckets = Buckets(self.per_minute)

    def admit(self, connected: str, forwarded: str) -> None:
        """TooOften for an address that has asked too often; it is kept in memory only, and forgotten."""
        told = self._buckets.take(subscriber(self.address(connected, forwarded)))
        if _RETRY in told:
            seconds = int(told[_RETRY])
            raise TooOften(f"Too many questions; wait {seconds} seconds.", retry_after_s=seconds)

    def look(self, text: str) -> Finding:
        """What can be said of a text."""
        with self._lock:
            if self._texts is None or clock.monotonic() - self._read_at >= _FRESH_S:
                self._texts = Texts(self.db.read(sent_texts))
                self._read_at = clock.monotonic()
            texts = self._texts
        return texts.look(text)


def sent_texts(connection: Connection) -> list[Known]:
    """Every wording of every campaign of which some run has begun."""
    r = runs.c
    ended = func.max(func.coalesce(r.ended_at, _OPEN))
    spans = select(r.campaign_id, func.min(r.started_at).label("first"), ended.label("last"))
    begun = spans.where(r.started_at.is_not(None)).group_by(r.campaign_id).subquery()
    query = select(campaigns.c.sender, campaigns.c.texts, begun.c.first, begun.c.last)
    uses: defaultdict[str, set[Use]] = defaultdict(set)
    for row in connection.execute(query.join(begun, begun.c.campaign_id == campaigns.c.id)):
        last = None if row.last == _OPEN else _day(row.last)
        for text in row.texts.values():
            uses[text].add(Use(_day(row.first), row.sender, last))
    return [Known(tuple(words(text)), in_order(found)) for text, found in uses.items()]


def _day(ms: int) -> date:
    return clock.local(clock.from_ms(ms)).date()

"""The texts that may be asked about, and a limit on who asks how often; questions are not stored."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Connection, Subquery, case, exists, func, or_, select

from app.api.token_buckets import Buckets, TooOften, subscriber
from app.core import clock
from app.core.states import SENT, NotSent
from app.database.connection import Database
from app.database.models import audiences, campaigns, chunks, runs, tallies
from app.text_verification.compare import Known, TextComparison, Texts, TextUse, in_order
from app.text_verification.tokens import words

_FRESH_S = 10.0
_RETRY = "Retry-After"
_OPEN = 2**62  # the end of a run that has not ended
Address = Callable[[str, str], str]


@dataclass(slots=True)
class VerificationService:
    """One per application. per_minute: questions of one address (IPv6: of its /64 network)."""

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
        """Raise TooOften for an address that asks too often; addresses are kept in memory only."""
        told = self._buckets.take(subscriber(self.address(connected, forwarded)))
        if _RETRY in told:
            seconds = int(told[_RETRY])
            raise TooOften(f"Too many questions; wait {seconds} seconds.", retry_after_s=seconds)

    def look(self, text: str) -> TextComparison:
        """Compare a pasted text to those that were sent, which are read again every ten seconds."""
        with self._lock:
            if self._texts is None or clock.monotonic() - self._read_at >= _FRESH_S:
                self._texts = Texts(self.db.read(sent_texts))
                self._read_at = clock.monotonic()
            texts = self._texts
        return texts.look(text)


def sent_texts(connection: Connection) -> list[Known]:
    """Return every text of every campaign that has sent at least one message."""
    begun = _begun()
    query = select(campaigns.c.sender, campaigns.c.texts, begun.c.first, begun.c.last, begun.c.going)
    uses: defaultdict[str, set[TextUse]] = defaultdict(set)
    for row in connection.execute(query.join(begun, begun.c.campaign_id == campaigns.c.id)):
        last = None if row.last == _OPEN else _day(row.last)
        for text in row.texts.values():
            uses[text].add(TextUse(_day(row.first), row.sender, last, not row.going))
    return [Known(tuple(words(text)), in_order(found)) for text, found in uses.items()]


def _begun() -> Subquery:
    """Select each campaign's first and last moment, and how many of its runs were not cancelled.

    An order to start sends nothing yet: the window may open days later, and the run be cancelled before. Once
    its totals are erased, the run itself says whether it sent anything. For a run that its carrier sends,
    only the operator's word tells that it began; one that calls sends no text.
    """
    r, t = runs.c, tallies.c
    out = exists().where(t.run_id == r.id, t.state.in_(SENT), t.n > 0)
    held = exists().where(audiences.c.run_id == r.id, ~audiences.c.spoken)
    taken = select(func.min(chunks.c.taken_at)).where(chunks.c.run_id == r.id).scalar_subquery()
    first, last = func.coalesce(taken, r.started_at), func.coalesce(r.ended_at, _OPEN)
    going = case((or_(r.closing.is_(None), r.closing != NotSent.CANCELLED), 1), else_=0)
    return (
        select(
            r.campaign_id,
            func.min(first).label("first"),
            func.max(last).label("last"),
            func.sum(going).label("going"),
        )
        .where(r.started_at.is_not(None), or_(out, held, r.any_sent))
        .group_by(r.campaign_id)
        .subquery()
    )


def _day(ms: int) -> date:
    return clock.local(clock.from_ms(ms)).date()

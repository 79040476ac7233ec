"""The texts that may be asked about, and a limit on who asks how often; questions are not stored."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, Subquery, case, exists, func, literal_column, or_, select

from app.api.rate_limit import Buckets, subscriber
from app.core import clock
from app.core.errors import TooOften
from app.core.states import SENT, ChunkState, NotSent
from app.database.connection import Database
from app.database.models import audiences, campaigns, chunks, runs, tallies
from app.ledger import approval_digest
from app.observability import faults
from app.text_verification.compare import Known, TextComparison, Texts, TextUse, TextVerdict, in_order
from app.text_verification.tokens import words

_FRESH_S = 10.0
_RETRY = "Retry-After"
_OPEN = 2**62  # the end of a run that has not ended
Address = Callable[[str, str], str]
Sent = frozenset[tuple[str, str, TextUse]]  # as it was sent, as its author wrote it, a use
ALTERED = (
    "The text, or something else that was approved with it, was changed outside Loa, so the public "
    "check ignores it. Compare the database with a backup."
)
# What is said of a text only when none of those that were sent by then is the same.
_NOT_SENT = (TextVerdict.ALTERED, TextVerdict.INCOMPLETE, TextVerdict.UNKNOWN)


@dataclass(slots=True)
class ApprovedContents:
    """Which contents of campaigns this process has found approved, and which campaigns were altered since.

    An approval is never undone for what was sent under it, so each content is checked once.
    """

    altered: set[int] = field(default_factory=set)
    _checked: set[tuple[str, ...]] = field(default_factory=set)

    def has(self, connection: Connection, campaign: Row[Any]) -> bool:
        """Return whether an approval of exactly this content bears the stamp of Loa."""
        content = tuple(repr(getattr(campaign, column.name)) for column in campaigns.c)
        if content not in self._checked:
            if not approval_digest.was_approved(connection, campaign):
                self.altered.add(campaign.id)
                return False
            self._checked.add(content)
        return True


@dataclass(slots=True)
class FreshTexts:
    """The texts that were sent, read again every ten seconds, and before a text is called anything but sent.

    What began to be sent a second ago would else look like a forgery of an earlier text.
    """

    approved: ApprovedContents = field(default_factory=ApprovedContents)
    _sent: Sent = frozenset()
    _texts: Texts | None = None
    _read_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, text: str, read: Callable[[], Sent]) -> TextComparison:
        """Compare a pasted text to those that were sent; read: returns all of them."""
        asked_at = clock.monotonic()
        known = self._since(asked_at - _FRESH_S, read)
        found = known.look(text)
        if found.verdict not in _NOT_SENT:
            return found
        newer = self._since(asked_at, read)
        return found if newer is known else newer.look(text)

    def _since(self, moment: float, read: Callable[[], Sent]) -> Texts:
        """Return the texts as they were read at that moment or later; the same object if none has changed."""
        with self._lock:
            if self._texts is None or self._read_at < moment:
                began = clock.monotonic()
                sent = read()
                if self._texts is None or sent != self._sent:
                    self._texts, self._sent = Texts(known_texts(sent)), sent
                self._read_at = began
            return self._texts


@dataclass(slots=True)
class VerificationService:
    """One per application. per_minute: questions of one address (IPv6: of its /64 network)."""

    db: Database
    per_minute: int
    address: Address
    _buckets: Buckets = field(init=False)
    _texts: FreshTexts = field(default_factory=FreshTexts)

    def __post_init__(self) -> None:
        self._buckets = Buckets(self.per_minute)

    def admit(self, connected: str, forwarded: str) -> None:
        """Raise TooOften for an address that asks too often; addresses are kept in memory only."""
        headers = self._buckets.take(subscriber(self.address(connected, forwarded)))
        if _RETRY in headers:
            seconds = int(headers[_RETRY])
            raise TooOften(
                "Too many requests. Try again in {seconds} seconds.", seconds=seconds, retry_after_s=seconds
            )

    def look(self, text: str) -> TextComparison:
        return self._texts.look(text, self._read)

    def _read(self) -> Sent:
        approved = self._texts.approved
        approved.altered.clear()
        sent = self.db.read(read_sent, approved)
        if approved.altered:
            self.db.write(note_altered, sorted(approved.altered))
        return sent


def note_altered(connection: Connection, campaign_ids: Iterable[int]) -> None:
    """Show until it is over that texts which were sent are not compared, because their rows were altered."""
    for number in campaign_ids:
        faults.record(connection, "verify", f"campaign {number}", ALTERED)


def read_sent(connection: Connection, approved: ApprovedContents | None = None) -> Sent:
    """Return each text that was sent with a use of it; leave out what differs from what was approved.

    approved: what was checked before, to which this adds.
    """
    approved = approved or ApprovedContents()
    begun = _begun()
    query = select(campaigns, begun.c.first, begun.c.last, begun.c.going)
    uses = set[tuple[str, str, TextUse]]()
    for row in connection.execute(query.join(begun, begun.c.campaign_id == campaigns.c.id)).all():
        if not approved.has(connection, row):
            continue
        last = None if row.last == _OPEN else _day(row.last)
        use = TextUse(_day(row.first), row.sender, last, not row.going)
        uses |= {(text, (not key and row.wording) or text, use) for key, text in row.texts.items()}
    return frozenset(uses)


def known_texts(sent: Sent) -> Iterator[Known]:
    """Yield each text with the diacritics of its author, if it is the same without them."""
    uses: defaultdict[tuple[str, str], set[TextUse]] = defaultdict(set)
    for text, wording, use in sent:
        uses[text, wording].add(use)
    for text, wording in sorted(uses):
        plain, written = tuple(words(text)), tuple(words(wording))
        same = [word.bare for word in plain] == [word.bare for word in written]
        yield Known(written if same else plain, in_order(uses[text, wording]))


def _begun() -> Subquery:
    """Select each campaign's first and last moment, and how many of its runs were not cancelled.

    An order to start sends nothing yet: the window may open days later, and the run be cancelled before. A
    leased chunk may be on telephones before the carrier answers. Once the totals are erased, the run itself
    says whether it sent anything. For a run that its carrier sends, only the operator's word tells that it
    began; one that calls sends no text.
    """
    r, t, k = runs.c, tallies.c, chunks.c
    out = exists().where(t.run_id == r.id, t.state.in_(SENT), t.n > 0)
    held = exists().where(audiences.c.run_id == r.id, ~audiences.c.spoken)
    is_open = k.state < literal_column("2")  # in the words of its index
    leased = exists().where(k.run_id == r.id, is_open, k.state == ChunkState.LEASED)
    taken = select(func.min(k.taken_at)).where(k.run_id == r.id).scalar_subquery()
    first, last = func.coalesce(taken, r.started_at), func.coalesce(r.ended_at, _OPEN)
    going = case((or_(r.closing.is_(None), r.closing != NotSent.CANCELLED), 1), else_=0)
    return (
        select(
            r.campaign_id,
            func.min(first).label("first"),
            func.max(last).label("last"),
            func.sum(going).label("going"),
        )
        .where(r.started_at.is_not(None), or_(out, leased, held, r.any_sent))
        .group_by(r.campaign_id)
        .subquery()
    )


def _day(ms: int) -> date:
    return clock.moment(ms).date()

"""Figures stated by a carrier or entered from its paper, never mixed with measured ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from app.core.errors import Conflict
from app.database.models import audiences, runs, signed_results, statements
from app.database.records import from_json, from_row
from app.ledger.calls import CALLS
from app.reports.figures.document_meta import PaperMeta, joined, paper
from app.reports.figures.figures import Cause
from carriers.contract import ReceiptLevel


class FigureSource(StrEnum):
    """Source of a figure. Every table keeps sources apart, and they are never added up."""

    MEASURED = "measured"  # counted by Loa from receipts
    STATED = "stated"  # stated by the carrier
    MANUAL = "manual"  # entered from a paper whose scan is attached


KINDS: dict[FigureSource, str] = {
    FigureSource.MEASURED: "đo bằng biên nhận",
    FigureSource.STATED: "doanh nghiệp báo số",
    FigureSource.MANUAL: "nhập tay (có bản quét kèm theo)",
}


@dataclass(frozen=True, slots=True)
class StatedCounts:
    """Counts of messages in the terms of form 1; None: the carrier has no receipts ("không có biên nhận").

    What `received` proves is the statement's level: the handset, or only the operator's centre.
    """

    eligible: int
    excluded: int
    sent: int
    received: int | None = None
    failed: int | None = None
    no_receipt: int | None = None

    @property
    def received_ratio(self) -> float | None:
        """Form 1, column (7) = (4) / (3), 0 to 1; None if nothing was sent or no receipt tells."""
        return self.received / self.sent if self.sent and self.received is not None else None

    def by_figure(self, level: ReceiptLevel) -> dict[str, int | None]:
        """Return the counts by keys of FIGURES; what was received under the figure that the level proves."""
        return {
            "eligible": self.eligible,
            "excluded": self.excluded,
            "sent": self.sent,
            received_as(level): self.received,
            "failed": self.failed,
            "no_receipt": self.no_receipt,
        }


def received_as(level: ReceiptLevel) -> str:
    """Return the key of the figure that "received" is at this level."""
    return "delivered" if level is ReceiptLevel.HANDSET else "relayed"


@dataclass(frozen=True, slots=True)
class AreaCounts:
    """One row of form 2; `code` is None where the carrier does not know the area."""

    code: str | None
    name: str
    counts: StatedCounts
    note: str = ""


@dataclass(frozen=True, slots=True)
class DayCounts:
    """One row of form 3: `day` is an ISO date, `hours` like 08:00-11:30 or "", `batches` None: not stated."""

    day: str
    hours: str
    batches: int | None
    sent: int
    received: int | None


@dataclass(frozen=True, slots=True)
class CauseCounts:
    """One row of form 4; `key` is a lower-case name of carriers.contract.Reason."""

    key: str
    label: str
    n: int
    remedy: str = ""


# The figures that carriers state, by their fields: number, words and unit of the row of form 1.
STATED: dict[str, tuple[str, str, str]] = {
    "eligible": ("(1)", "Thuê bao thuộc diện gửi", "thuê bao"),
    "excluded": ("(2)", "Loại trước khi gửi", "thuê bao"),
    "sent": ("(3)", "Đã gửi = (1) − (2)", "tin"),
    "received": ("(4)", "Máy đã nhận (biên nhận máy) hoặc nhà mạng đã tiếp nhận (biên nhận tổng đài)", "tin"),
    "failed": ("(5)", "Không nhận được", "tin"),
    "no_receipt": ("(6)", "Chưa có biên nhận = (3) − (4) − (5)", "tin"),
    "segments": ("(8)", "Tổng số bản tin quy đổi", "bản tin"),
    "resent": ("(9)", "Số lần gửi lại", "lần"),
}


@dataclass(frozen=True, slots=True)
class StatedFigures:
    """Forms 1 to 4 as stated; a form that was not stated is empty.

    segments: (8) SMS parts; resent: (9); excluded: (2) by cause, empty where only the sum was stated.
    """

    general: StatedCounts
    segments: int | None = None
    resent: int | None = None
    excluded: tuple[Cause, ...] = ()
    areas: tuple[AreaCounts, ...] = ()
    days: tuple[DayCounts, ...] = ()
    reasons: tuple[CauseCounts, ...] = ()

    def stated(self, key: str) -> int | None:
        """Return a figure of form 1 by its key in STATED."""
        found: int | None = getattr(self if key in ("segments", "resent") else self.general, key)
        return found

    @property
    def has_details(self) -> bool:
        """Whether there is more than sums: by area, day or cause, or messages sent again."""
        return any(_given(getattr(self, name)) for name in _DETAILS)


_DETAILS = ("areas", "days", "reasons", "excluded", "resent")


def _given(part: Any) -> bool:
    return part not in (None, ())


@dataclass(frozen=True, slots=True)
class Statement:
    """One version of a run's statement. Times are ms since 1970; cutoff_ms: of the figures.

    first_ms: when the first version came, which decides whether the carrier was late.
    """

    run_id: int
    campaign_id: int
    carrier: str
    kind: FigureSource
    level: ReceiptLevel
    figures: StatedFigures
    began_ms: int | None
    ended_ms: int | None
    cutoff_ms: int
    paper: PaperMeta
    first_ms: int

    @property
    def interim(self) -> bool:
        """Whether the carrier has not finished, or drew up its figures while receipts still came."""
        return self.lacks_receipts and (self.ended_ms is None or self.cutoff_ms < self.ended_ms + RECEIPTS_MS)

    @property
    def lacks_receipts(self) -> bool:
        """Whether the carrier has not finished, or some of its messages have no receipt."""
        return self.ended_ms is None or bool(self.figures.general.no_receipt)

    def lacks(self, before: Statement) -> list[str]:
        """Return which parts that the version before had this one has not, by their fields."""
        own = self._parts()
        return [name for name, part in before._parts().items() if _given(part) and not _given(own[name])]

    def _parts(self) -> dict[str, Any]:
        """Return what a version may leave out."""
        f, g = self.figures, self.figures.general
        sums = {"received": g.received, "failed": g.failed, "no_receipt": g.no_receipt}
        times = {"began": self.began_ms, "ended": self.ended_ms}
        letter = {"number": self.paper.number, "dated_on": self.paper.dated_on}
        details = {name: getattr(f, name) for name in _DETAILS}
        return details | sums | {"segments": f.segments} | times | letter


RECEIPTS_MS = 72 * 3_600_000  # no operator keeps a message longer than that for a telephone that is off
_FAR = 4  # ratio; "12.000" entered where a point means decimals is 12
_FEW = 100  # below this such a difference, or that nothing failed, proves nothing


def nothing_failed(figures: StatedFigures) -> bool:
    """Return whether many were sent and none is said to have failed: real lists have dead numbers."""
    g = figures.general
    return g.sent >= _FEW and g.failed == 0


def far(n: int, other: int) -> bool:
    """Return whether two counts differ so much that one may be a slip."""
    return max(n, other) >= _FEW and (n * _FAR <= other or other * _FAR <= n)


def versions(connection: Connection, run_id: int) -> list[Statement]:
    """Return all statements on the run, oldest first."""
    return _read(connection, _query().where(statements.c.run_id == run_id)).get(run_id, [])


def latest(connection: Connection, run_id: int, until_ms: int | None = None) -> Statement | None:
    """Return the statement in force now, or at `until_ms` (ms since 1970); None if there is none."""
    return _latest(connection, _query().where(statements.c.run_id == run_id), until_ms).get(run_id)


def of_runs(connection: Connection, run_ids: Sequence[int]) -> dict[int, Statement]:
    """Return the statements in force now, by run."""
    return _latest(connection, _query().where(statements.c.run_id.in_(run_ids)), None)


def of_campaign(
    connection: Connection, campaign_id: int, until_ms: int | None = None
) -> dict[int, Statement]:
    """Return the statements in force now, or at `until_ms`, by run."""
    return _latest(connection, _query().where(runs.c.campaign_id == campaign_id), until_ms)


def held_runs(connection: Connection, campaign_id: int) -> frozenset[int]:
    """Return the runs whose audience the carrier holds: nothing is measured on them."""
    query = select(audiences.c.run_id).join(runs, runs.c.id == audiences.c.run_id)
    return frozenset(connection.execute(query.where(runs.c.campaign_id == campaign_id)).scalars())


def basis(held: bool, statement: Statement | None) -> FigureSource | None:
    """Return whose figures a table shows for a run: measured unless the carrier held the audience.

    None: no figures yet. A statement on a measured run is shown beside it, never instead of it.
    """
    if not held:
        return FigureSource.MEASURED
    return statement.kind if statement else None


def ended_ms(statement: Statement | None, run_ended_ms: int | None) -> int | None:
    """Return when the carrier had sent a run that it holds: as it stated, or else as was entered."""
    return (statement.ended_ms if statement else None) or run_ended_ms


def by_deadline(done_ms: int | None, deadline_ms: int | None, now_ms: int) -> bool | None:
    """Return whether `done_ms` (None: not done) keeps the deadline; None: it still may, or there is none."""
    if deadline_ms is None:
        return None
    if done_ms is None:
        return False if now_ms > deadline_ms else None
    return done_ms <= deadline_ms


def held_in_time(
    ended_ms: int | None,
    first_ms: int | None,
    deadline_ms: int | None,
    now_ms: int,
    window_end_ms: int | None = None,
) -> bool | None:
    """Return whether a run that its carrier sends keeps the deadline; None: it still may, or there is none.

    Both its sending and its first figures count. window_end_ms: until when it goes on unless it has ended.
    """
    kept = [by_deadline(at, deadline_ms, now_ms) for at in (ended_ms, first_ms)]
    if ended_ms is None and by_deadline(window_end_ms, deadline_ms, now_ms) is False:
        return False
    return False if False in kept else None if None in kept else True


def _query() -> Select[Any]:
    r = signed_results.c
    query = joined(statements).join(runs, runs.c.id == statements.c.run_id)
    query = query.outerjoin(signed_results, r.statement_id == statements.c.id)
    query = query.add_columns(r.kid.label("signed_kid"), r.sha256.label("signed_sha256"))
    query = query.where(runs.c.id.not_in(CALLS))
    return query.add_columns(runs.c.campaign_id, runs.c.carrier)


def _latest(connection: Connection, query: Select[Any], until_ms: int | None) -> dict[int, Statement]:
    if until_ms is not None:
        query = query.where(statements.c.at <= until_ms)
    return {run_id: found[-1] for run_id, found in _read(connection, query).items()}


def _read(connection: Connection, query: Select[Any]) -> dict[int, list[Statement]]:
    found: dict[int, list[Statement]] = {}
    try:
        for row in connection.execute(query.order_by(statements.c.run_id, statements.c.version)):
            known = found.setdefault(row.run_id, [])
            known.append(_statement(row, known[0].first_ms if known else row.received_at))
    except (ValueError, TypeError, LookupError):  # of rows that only Loa writes
        raise Conflict(
            "The figures of a statement differ from what was entered. The database was altered. "
            "Compare it with a backup."
        ) from None
    return found


def _statement(row: Row[Any], first_ms: int) -> Statement:
    return from_row(
        Statement,
        row,
        figures=from_json(StatedFigures, row.figures),
        began_ms=row.began_at,
        ended_ms=row.ended_at,
        cutoff_ms=row.cutoff_at,
        paper=paper(row),
        first_ms=first_ms,
    )


def add(rows: Iterable[StatedCounts]) -> StatedCounts:
    """Sum rows; a column that one row lacks is None."""
    every = list(rows)
    return StatedCounts(
        eligible=sum(row.eligible for row in every),
        excluded=sum(row.excluded for row in every),
        sent=sum(row.sent for row in every),
        received=_sum(row.received for row in every),
        failed=_sum(row.failed for row in every),
        no_receipt=_sum(row.no_receipt for row in every),
    )


def _sum(column: Iterable[int | None]) -> int | None:
    said = list(column)
    known = [n for n in said if n is not None]
    return sum(known) if len(known) == len(said) else None

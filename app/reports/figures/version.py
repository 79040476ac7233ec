"""Version of a report, and its changes since the version before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.reports.figures.numbers import hour


@dataclass(frozen=True, slots=True)
class FigureChange:
    """One changed figure: its place in words and both values (None: absent)."""

    where: str
    before: int | None
    after: int | None

    @property
    def difference(self) -> int:
        return (self.after or 0) - (self.before or 0)


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A carrier, an area or an addressee with changed figures: all of its counts by key, in both versions."""

    name: str
    before: Mapping[str, int]
    after: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PrintedCode:
    """What a printed copy is checked by (app/reports/frozen/printed_code.py).

    sha256: of the figures; place: the public page, "" where Loa has no public host.
    """

    code: str
    salt: str
    sha256: str
    place: str


@dataclass(frozen=True, slots=True)
class RoundRow:
    """One carrier in the earlier round and in this one; None where a round has no such figure.

    sources: whose word the figures are; ratios: received of sent, where receipts of telephones prove it.
    """

    carrier: str
    sources: tuple[str, str]
    sent: tuple[int | None, int | None]
    delivered: tuple[int | None, int | None]
    ratios: tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class EarlierRound:
    """A frozen report of an earlier directive to compare with; words: which one it is."""

    words: str
    rows: tuple[RoundRow, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """number 0: a preview, not frozen. since: number and cut-off (ms) of the version before.

    changes: every changed figure, for workbooks and lists; rows: the same for papers, by carrier or area.
    printed: None for a preview, and for what was frozen before there were codes. earlier: on demand.
    issued_before: whether the version before was issued; issued: this one is, so that its readers know papers
    by their numbers, and none of Loa's.
    """

    number: int = 0
    since: tuple[int, int] | None = None
    changes: tuple[FigureChange, ...] = ()
    rows: tuple[ChangedRow, ...] = ()
    printed: PrintedCode | None = None
    earlier: EarlierRound | None = None
    issued_before: bool = False
    issued: bool = False

    def words(self, cutoff_ms: int) -> str:
        if self.issued:
            return f"Số liệu chốt đến {hour(cutoff_ms)}"
        if not self.number:
            return f"Bản xem trước, số liệu tính đến {hour(cutoff_ms)}"
        return f"Bản số {self.number}, số liệu chốt đến {hour(cutoff_ms)}"


PREVIEW = Version()

"""Which version of a report a paper is, and what has changed since the one before."""

from __future__ import annotations

from dataclasses import dataclass

from app.reports.render.numbers import moment


@dataclass(frozen=True, slots=True)
class FigureChange:
    """One figure that differs: where it stands, in words, and its two values (None: not there)."""

    where: str
    before: int | None
    after: int | None

    @property
    def difference(self) -> int:
        """How much it has grown."""
        return (self.after or 0) - (self.before or 0)


@dataclass(frozen=True, slots=True)
class Version:
    """number 0: a preview that nobody has frozen. since: number and cut-off (ms) of the version before."""

    number: int = 0
    since: tuple[int, int] | None = None
    changes: tuple[FigureChange, ...] = ()

    def words(self, cutoff_ms: int) -> str:
        """For the head of the paper."""
        which = f"Bản số {self.number}" if self.number else "Bản xem trước, chưa chốt"
        return f"{which}; số liệu chốt lúc {moment(cutoff_ms)}"


PREVIEW = Version()

"""Version of a report, and its changes since the version before."""

from __future__ import annotations

from dataclasses import dataclass

from app.reports.render.numbers import moment


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
class Version:
    """number 0: a preview, not frozen. since: number and cut-off (ms) of the version before."""

    number: int = 0
    since: tuple[int, int] | None = None
    changes: tuple[FigureChange, ...] = ()

    def words(self, cutoff_ms: int) -> str:
        which = f"Bản số {self.number}" if self.number else "Bản xem trước, chưa chốt"
        return f"{which}; số liệu chốt lúc {moment(cutoff_ms)}"


PREVIEW = Version()

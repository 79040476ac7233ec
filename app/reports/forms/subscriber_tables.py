"""Carriers by subscribers, each counted once over all rounds: a line a carrier, and who was reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from app.reports.counting.consolidated import ConsolidatedReport, RunLine
from app.reports.figures import labels
from app.reports.figures.carrier_statement import FigureSource as Source
from app.reports.figures.figures import Figures
from app.reports.figures.numbers import NOTHING, count, percent
from app.reports.figures.table_model import Cell, CellKind, ReportTable, TableColumn, TableRow, ratio
from app.reports.forms import count_columns
from carriers.contract import ReceiptLevel

NAME = "Thuê bao"
WHOSE = {Source.MEASURED: "số đo", Source.STATED: "doanh nghiệp báo", Source.MANUAL: "nhập tay"}


class Proof(Enum):
    """What confirms that subscribers were reached, the strongest first."""

    HANDSET = "do máy thuê bao xác nhận (đo bằng biên nhận)"
    CENTRE = "chỉ do tổng đài nhà mạng xác nhận"
    STATED = "do doanh nghiệp tự báo"
    MANUAL = "nhập tay từ báo cáo giấy"


@dataclass(frozen=True, slots=True)
class CarrierLine:
    """What one carrier did, by one source of figures; None: nobody knows.

    addressed: subscribers to be written to; open: sent without a result; unsent: waiting, cancelled or late.
    rounds: of how many runs.
    """

    carrier: str
    source: Source | None
    level: int | None
    rounds: int
    addressed: int | None = None
    confirmed: int | None = None
    failed: int | None = None
    open: int | None = None
    unsent: int | None = None

    @property
    def proof(self) -> Proof:
        if self.source is Source.MANUAL:
            return Proof.MANUAL
        if self.level != ReceiptLevel.HANDSET:
            return Proof.CENTRE
        return Proof.HANDSET if self.source is Source.MEASURED else Proof.STATED

    @property
    def share(self) -> float | None:
        """Return confirmed of addressed, 0 to 1; None where nobody knows."""
        known = self.confirmed is not None and self.addressed
        return (self.confirmed or 0) / (self.addressed or 1) if known else None

    @property
    def name(self) -> str:
        return labels.network(self.carrier)

    @property
    def basis(self) -> str:
        if self.source is None:
            return "chưa báo cáo"
        return f"{WHOSE[self.source]}, {count_columns.LEVELS[self.level]}"


def of_directive(report: ConsolidatedReport) -> list[CarrierLine]:
    """Return every carrier's line, the worst first: without figures, then measured, then other figures."""
    found = [CarrierLine(carrier, None, None, 0) for carrier in _silent(report)]
    found += [_measured(report, carrier, lines) for carrier, lines in _by_carrier(report, Source.MEASURED)]
    for source in (Source.STATED, Source.MANUAL):
        found += [_stated(source, carrier, lines) for carrier, lines in _by_carrier(report, source)]
    order = (None, Proof.HANDSET, Proof.CENTRE, Proof.STATED, Proof.MANUAL)
    return sorted(
        found, key=lambda line: (order.index(line.proof if line.source else None), line.share or 0, line.name)
    )


def levels(report: ConsolidatedReport) -> dict[str, int]:
    """Return by measured carrier the most that receipts of its runs prove."""
    found: dict[str, int] = {}
    for line in report.of(Source.MEASURED):
        found[line.carrier] = max(found.get(line.carrier, 0), line.report.header.receipt_level or 0)
    return found


def _by_carrier(report: ConsolidatedReport, source: Source | None) -> Iterable[tuple[str, list[RunLine]]]:
    found: dict[str, list[RunLine]] = {}
    for line in report.lines:
        if line.kind is source:
            found.setdefault(line.carrier, []).append(line)
    return found.items()


def _silent(report: ConsolidatedReport) -> Iterator[str]:
    known = {line.carrier for line in report.lines if line.kind is not None}
    return (carrier for carrier, _ in _by_carrier(report, None) if carrier not in known)


def _measured(report: ConsolidatedReport, carrier: str, lines: Sequence[RunLine]) -> CarrierLine:
    if report.subscribers is None:  # frozen by earlier rules, or erased: messages are all there is
        f = sum((line.report.general for line in lines), Figures())
        addressed, unsent = f.eligible - f.excluded, f.waiting
    else:
        f = sum((row.figures for row in report.subscribers if row.carrier == carrier), Figures())
        addressed, unsent = f.eligible, f.waiting + f.excluded
    level = levels(report)[carrier]
    own = f.delivered if level == ReceiptLevel.HANDSET else f.relayed + f.delivered
    confirmed = own if level else None
    left = f.sent - own - f.failed
    return CarrierLine(
        carrier, Source.MEASURED, level, len(lines), addressed, confirmed, f.failed, left, unsent
    )


def _stated(source: Source, carrier: str, lines: Sequence[RunLine]) -> CarrierLine:
    """Take the largest run: how many subscribers of a carrier are in two of its runs only it knows."""
    every = [line.statement for line in lines if line.statement]
    most = max(every, key=lambda item: item.figures.general.sent)
    g = most.figures.general
    return CarrierLine(carrier, source, most.level, len(lines), g.sent, g.received, g.failed, g.no_receipt, 0)


# ---- In words


def reached(report: ConsolidatedReport) -> Iterator[str]:
    """Yield how many subscribers were reached, of how many, and what proves it."""
    lines = [line for line in of_directive(report) if line.source]
    unit = "thuê bao" if report.subscribers is not None else "tin"
    proved = [line for line in lines if line.proof is Proof.HANDSET]
    n, whole = _sum(line.confirmed for line in proved), _sum(line.addressed for line in proved)
    if whole:
        yield f"Máy thuê bao xác nhận đã nhận: {count(n)}/{count(whole)} {unit} ({percent(n / whole)})"
    else:
        yield "Chưa có tỷ lệ nhận: chưa doanh nghiệp nào có biên nhận của máy thuê bao"
    by = {proof: _sum(line.confirmed for line in lines if line.proof is proof) for proof in Proof}
    n, whole = sum(by.values()), _sum(line.addressed for line in lines if line.confirmed is not None)
    if n and by[Proof.HANDSET] != n:
        parts = ", ".join(f"{percent(part / n)} {proof.value}" for proof, part in by.items() if part)
        yield (
            f"Mọi nguồn số liệu: {count(n)}/{count(whole)} {unit} có xác nhận ({percent(n / whole)}); trong "
            f"số có xác nhận: {parts}"
        )
    if none := ", ".join(_unknowable(of_directive(report), unit)):
        yield f"Chưa gồm: {none}"


def _unknowable(lines: Iterable[CarrierLine], unit: str) -> Iterator[str]:
    """Name the carriers of which nobody knows whom they reached: they enter no share."""
    for line in lines:
        if line.source is None:
            yield f"{line.name} ({line.basis})"
        elif line.confirmed is None and line.addressed:
            yield f"{line.name} ({count(line.addressed)} {unit}, {count_columns.LEVELS[line.level]})"


def unreached(report: ConsolidatedReport) -> Iterator[str]:
    """Yield how many subscribers measured carriers did not reach, and the size of a follow-up."""
    if report.subscribers is None:
        return
    lines = [line for line in of_directive(report) if line.source is Source.MEASURED]
    failed = _sum(line.failed for line in lines)
    numbers = (
        ("không nhận được", failed),
        ("chưa có kết quả", _sum(line.open for line in lines if line.level)),
        ("chưa gửi", _sum(line.unsent for line in lines)),
    )
    if parts := ", ".join(f"{count(n)} thuê bao {words}" for words, n in numbers if n):
        offer = f". Có thể gửi tiếp cho {count(failed)} thuê bao không nhận được" if failed else ""
        yield f"Theo số đo: {parts}{offer}"


def unproved(report: ConsolidatedReport) -> str:
    """Name the carriers of whose subscribers no telephone has confirmed any message; "" for none."""
    none = [
        f"{line.name} ({count(line.addressed)} thuê bao)"
        for line in of_directive(report)
        if line.level == ReceiptLevel.HANDSET and line.confirmed == 0 and line.addressed
    ]
    return f"Chưa có thuê bao nào được máy xác nhận đã nhận: {', '.join(none)}" if none else ""


def _sum(numbers: Iterable[int | None]) -> int:
    return sum(n for n in numbers if n is not None)


# ---- As a table


def table(report: ConsolidatedReport) -> ReportTable:
    """Return a line a carrier, none left out."""
    once = report.subscribers is not None
    unit = "Thuê bao" if once else "Tin"
    columns = (
        TableColumn("name", "Doanh nghiệp", CellKind.TEXT, 24),
        TableColumn("source", "Nguồn, mức xác nhận", CellKind.TEXT, 34),
        TableColumn("addressed", f"{unit} phải gửi", CellKind.COUNT, 13),
        TableColumn("confirmed", "Có xác nhận", CellKind.COUNT, 13),
        TableColumn("ratio", "Tỷ lệ", CellKind.RATIO, 11),
        TableColumn("failed", "Không nhận được", CellKind.COUNT, 13),
        TableColumn("open", "Chưa có kết quả", CellKind.COUNT, 13),
        TableColumn("unsent", "Chưa gửi", CellKind.COUNT, 11),
    )
    rows = tuple(_row(line) for line in of_directive(report))
    every = "Mỗi thuê bao tính một lần qua mọi đợt gửi" if once else "Tính theo tin"
    source = (
        f"{every}, không kể số bị loại trước khi gửi; xếp từ tỷ lệ thấp, số đo trước. “{NOTHING}”: không có; "
        f"“{labels.UNPROVED}”: không biết.{_vouched(report)}"
    )
    return ReportTable(NAME, "Kết quả theo doanh nghiệp viễn thông", columns, rows, source)


def _vouched(report: ConsolidatedReport) -> str:
    """Say by carrier who said that receipts prove the telephone; "" where none claims it."""
    heads = [line.report.header for line in report.of(Source.MEASURED)]
    found = {labels.network(head.carrier): head.handset_by for head in heads if head.handset_by is not None}
    said = "; ".join(f"{name} {labels.vouched(by)}" for name, by in found.items())
    return f" {labels.HANDSET_BY}: {said}." if said else ""


def _row(line: CarrierLine) -> TableRow:
    again = f" ({count(line.rounds)} đợt)" if line.rounds > 1 else ""
    counts: tuple[Cell, ...] = (NOTHING,) * 6
    if line.source is not None:
        numbers = (line.addressed, line.confirmed, line.failed, line.open, line.unsent)
        first, second, *others = (labels.UNPROVED if n is None else n for n in numbers)
        counts = (first, second, ratio("confirmed", "addressed", line.share), *others)
    return TableRow(f"carrier_{line.carrier}_{line.source}", (f"{line.name}{again}", line.basis, *counts))

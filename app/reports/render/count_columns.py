"""Count columns of forms 2 and 5, without numbers that no receipt proves."""

from __future__ import annotations

from app.reports import labels
from app.reports.carrier_statement import KINDS
from app.reports.carrier_statement import FigureSource as Source
from app.reports.figures import Figures
from app.reports.render.numbers import NOTHING
from app.reports.render.table_model import Cell, CellKind, Formula, TableColumn, ratio, total
from carriers.contract import ReceiptLevel

COUNTS = (
    TableColumn("eligible", "Thuộc diện", CellKind.COUNT, 12),
    TableColumn("excluded", "Loại trước khi gửi", CellKind.COUNT, 12),
    TableColumn("waiting", "Đang chờ gửi", CellKind.COUNT, 12),
    TableColumn("sent", "Đã gửi", CellKind.COUNT, 12),
    TableColumn("delivered", "Đã nhận (biên nhận máy)", CellKind.COUNT, 14),
    TableColumn("relayed", "Nhà mạng đã tiếp nhận", CellKind.COUNT, 14),
    TableColumn("failed", "Không nhận được", CellKind.COUNT, 12),
    TableColumn("no_receipt", "Chưa có biên nhận", CellKind.COUNT, 12),
    TableColumn("unknown", "Chưa rõ kết quả", CellKind.COUNT, 12),
    TableColumn("segments", "Bản tin quy đổi", CellKind.COUNT, 12),
    TableColumn("delivered_ratio", "Tỷ lệ nhận", CellKind.RATIO, 12),
    TableColumn("relayed_ratio", "Tỷ lệ nhà mạng tiếp nhận", CellKind.RATIO, 12),
)


LEVELS: dict[int | None, str] = {
    None: "chưa có kết nối",
    ReceiptLevel.NONE: "không có biên nhận",
    ReceiptLevel.OPERATOR: "mức tổng đài",
    ReceiptLevel.HANDSET: "mức máy",
}


def measured(level: int | None) -> str:
    """Return the source line below a table of measured figures."""
    return f"Nguồn số liệu: {KINDS[Source.MEASURED]} ({labels.LEVEL_WORDS[level]})."


def part(level: int | None) -> str:
    """Label the sum of runs of one receipt level, the base of its ratio."""
    return f"Trong đó: {'biên nhận ' if level else ''}{LEVELS[level]}"


def delivered(n: int, level: int | None) -> Cell:
    """Return messages delivered to handsets, if the links' receipts can prove it."""
    return _proved(n, level, ReceiptLevel.HANDSET)


def relayed(n: int, level: int | None) -> Cell:
    """Return messages only the operator's centre confirms, if the links bring receipts.

    With handset receipts they are counted as delivered: a dash, as 0 would mislead.
    """
    if not n and level is not None and level >= ReceiptLevel.HANDSET:
        return NOTHING
    return _proved(n, level, ReceiptLevel.OPERATOR)


def _proved(n: int, level: int | None, needed: ReceiptLevel) -> Cell:
    return n if n or level is None or level >= needed else labels.NO_RECEIPTS


def counts(f: Figures, level: int | None) -> tuple[Cell, ...]:
    """Return the cells below COUNTS; sums and ratios as formulas."""
    sent = Formula(f.sent, "{eligible}-{excluded}-{waiting}")
    received = (delivered(f.delivered, level), relayed(f.relayed, level))
    rest = (f.failed, f.no_receipt, f.unknown, f.segments)
    return (f.eligible, f.excluded, f.waiting, sent, *received, *rest, *_ratios(f, received))


def totals(f: Figures, level: int | None, one_level: bool = True) -> tuple[Cell, ...]:
    """Return the cells of the total row, each the sum of its column; no ratio across receipt levels."""
    received = (delivered(f.delivered, level), relayed(f.relayed, level))
    sums = [
        cell if isinstance(cell, str) else total(int(n))
        for cell, n in zip(received, (f.delivered, f.relayed), strict=True)
    ]
    before = (f.eligible, f.excluded, f.waiting, f.sent)
    after = (f.failed, f.no_receipt, f.unknown, f.segments)
    ratios = _ratios(f, received) if one_level else (None, None)
    return (*map(total, before), *sums, *map(total, after), *ratios)


def _ratios(f: Figures, received: tuple[Cell, Cell]) -> tuple[Cell, Cell]:
    first = None if isinstance(received[0], str) else f.delivered_ratio
    second = None if isinstance(received[1], str) else f.relayed_ratio
    return ratio("delivered", "sent", first), ratio("relayed", "sent", second)

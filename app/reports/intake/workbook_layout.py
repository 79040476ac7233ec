"""Cell layout of a carrier's workbook, shared by its writer and reader."""

from __future__ import annotations

from app.reports.intake.statement_input import EXCLUDED, LEVELS, REASONS

VERSION = "LOA-BC-1"
HEAD, GENERAL, AREAS, DAYS, CAUSES = "Chung", "Biểu 1", "Biểu 2", "Biểu 3", "Biểu 4"
SHEETS = (HEAD, GENERAL, AREAS, DAYS, CAUSES)

LEVEL_WORDS = {words: level for level, words in LEVELS.items()}

# Sheet "Chung": labels in column A, answers in B.
FORM_ID, RUN_ID = "B2", "B3"
CARRIER, CAMPAIGN = "B4", "B5"
CORRECTS, CORRECTS_LABEL = "B6", "Đính chính cho bản số (nếu gửi lại)"  # forms of before have neither
NUMBER, DATED_ON, LEVEL = "B7", "B8", "B9"
BEGAN, ENDED, CUTOFF = "B10", "B11", "B12"
REASON, NOTE = "B13", "B14"
HEAD_LABELS = {
    FORM_ID: "Mẫu",
    RUN_ID: "Đợt gửi (số)",
    CARRIER: "Doanh nghiệp",
    CAMPAIGN: "Chiến dịch",
    NUMBER: "Số, ký hiệu báo cáo",
    DATED_ON: "Ngày báo cáo",
    LEVEL: "Biên nhận chứng minh tới mức",
    BEGAN: "Bắt đầu gửi",
    ENDED: "Kết thúc gửi",
    CUTOFF: "Thời điểm chốt số liệu",
    REASON: "Lý do đính chính (nếu gửi lại)",
    NOTE: "Phản ánh của khách hàng, sự cố, khó khăn",
}

# Sheet "Biểu 1": numbers in column D.
ELIGIBLE, EXCLUDED_SUM, SENT = "D4", "D5", "D11"
CAUSE_CELLS = {key: f"D{row}" for row, key in enumerate(EXCLUDED, 6)}
RECEIVED, FAILED, NO_RECEIPT, RATIO, SEGMENTS, RESENT = "D12", "D13", "D14", "D15", "D16", "D17"
FORMULAS = {
    EXCLUDED_SUM: "=SUM(D6:D10)",
    SENT: "=D4-D5",
    NO_RECEIPT: '=IF(D12="","",D11-D12-D13)',
    RATIO: '=IF(OR(D12="",D11=0),"",D12/D11)',
}
# The level on the first sheet tells what (4) proves; older forms said "received".
RECEIVED_WORDS = "Máy đã nhận (biên nhận máy) hoặc nhà mạng đã tiếp nhận (biên nhận tổng đài)"
RATIO_WORDS = "Tỷ lệ = (4)/(3)"
FORMER_WORDS = {RECEIVED_WORDS: "Đã nhận (có biên nhận)", RATIO_WORDS: "Tỷ lệ nhận = (4)/(3)"}
GENERAL_ROWS = (
    ("(1)", "Thuê bao thuộc diện gửi", "thuê bao"),
    ("(2)", "Loại trước khi gửi", "thuê bao"),
    *((f"(2.{n})", f"– {label}", "thuê bao") for n, label in enumerate(EXCLUDED.values(), 1)),
    ("(3)", "Đã gửi = (1) − (2)", "tin"),
    ("(4)", RECEIVED_WORDS, "tin"),
    ("(5)", "Không nhận được", "tin"),
    ("(6)", "Chưa có biên nhận = (3) − (4) − (5)", "tin"),
    ("(7)", RATIO_WORDS, "%"),
    ("(8)", "Tổng số bản tin quy đổi", "bản tin"),
    ("(9)", "Số lần gửi lại", "lần"),
)
FIRST_GENERAL_ROW = 4

# Sheets "Biểu 2" to "Biểu 4": rows from the fourth.
FIRST_ROW = 4
AREA_HEAD = (
    *("TT", "Mã", "Địa bàn", "Thuộc diện", "Đã gửi", "(4) theo mức biên nhận", "Không nhận"),
    *("Chưa biên nhận", "Tỷ lệ (4)/(3)", "Ghi chú"),
)
UNKNOWN_CODE = "–"
DAY_HEAD = ("TT", "Ngày", "Khung giờ (08:00-11:30)", "Số lô", "Đã gửi", "(4) theo mức biên nhận")
FORMER_HEADS = {"(4) theo mức biên nhận": "Đã nhận"}
DAY_ROWS = 40
CAUSE_HEAD = ("TT", "Nguyên nhân", "Số lượng", "Tỷ lệ (%)", "Biện pháp")
REASON_CELLS = {key: f"C{row}" for row, key in enumerate(REASONS, FIRST_ROW)}


def area_formula(row: int) -> str:
    """Formula of (6) in one row of form 2."""
    return f'=IF(F{row}="","",E{row}-F{row}-G{row})'


def sum_of(column: str, first: int, last: int) -> str:
    return f"=SUM({column}{first}:{column}{last})"

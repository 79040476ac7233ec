"""Vietnamese labels of the reports: causes in the order of the forms, areas, states. Figures: figures.py."""

from __future__ import annotations

from datetime import date

from app.core import areas, phone
from app.core.phone import network as network
from app.core.states import NotSent, RunState
from carriers.contract import Reason, ReceiptLevel

NO_AREA = "Không xác định địa bàn"
NO_DAY = "Không xác định ngày"
OUTSIDE_AREAS = "Dòng bị loại khi nhập (không xếp địa bàn)"
TOTAL = "Tổng cộng"

# Form 4 in its order; reasons that the form lacks get a line of their own.
REASONS: dict[Reason, str] = {
    Reason.EXPIRED: "Tắt máy/ngoài vùng phủ sóng (quá hạn)",
    Reason.NO_SUCH_NUMBER: "Số không tồn tại/đã thu hồi",
    Reason.BARRED: "Tạm khóa chiều đến",
    Reason.HANDSET: "Bộ nhớ đầy/máy không hỗ trợ",
    Reason.OTHER_NETWORK: "Thuê bao đã chuyển mạng",
    Reason.FILTERED: "Bị bộ lọc/khai báo tên định danh từ chối",
    Reason.SYSTEM: "Lỗi hệ thống của nhà mạng",
    Reason.WRONG_REQUEST: "Yêu cầu gửi không đúng quy cách của nhà mạng",
    Reason.OTHER: "Khác",
}

NOT_SENT: dict[int, str] = {
    NotSent.REPEATED: "Trùng với lô khác trong chiến dịch",
    NotSent.DO_NOT_SEND: "Không gửi: thuê bao từ chối nhận (danh sách không gửi)",
    NotSent.OTHER_ROUND: "Không gửi: đã nhận hoặc có thể đã nhận ở chiến dịch khác",
    NotSent.CANCELLED: "Không gửi: đợt gửi đã hủy",
    NotSent.WINDOW_CLOSED: "Không gửi: hết thời gian cho phép gửi",
}
REPEATED_IN_BATCH = "Trùng trong lô"
WRONG_NUMBER = "Sai số"
# Beside the reasons of app/core/phone.py: lines that cannot be read as one subscriber.
BAD_LINES = {
    "long_line": "Dòng quá dài",
    "quotes": "Dấu ngoặc kép không khớp",
    "continued": "Dòng tiếp của ô trong ngoặc kép",
    "separator": "Sai dấu phân cách",
    "short_row": "Thiếu ô số điện thoại",
    "hidden": "Dòng bị ẩn trong bảng tính",
    "formula": "Công thức chưa có kết quả",
}
NOT_SENT_OTHER = "Không gửi: lý do khác"

RECEIPT_LEVELS: dict[int | None, str] = {
    None: "Chưa có kết nối tới nhà mạng",
    ReceiptLevel.NONE: "Nhà mạng không trả biên nhận",
    ReceiptLevel.OPERATOR: "Biên nhận ở mức tổng đài: nhà mạng đã tiếp nhận, chưa rõ máy thuê bao đã nhận",
    ReceiptLevel.HANDSET: "Biên nhận ở mức máy: máy thuê bao đã nhận",
}

LEVEL_WORDS: dict[int | None, str] = {
    None: "chưa có kết nối",
    ReceiptLevel.NONE: "nhà mạng không trả biên nhận",
    ReceiptLevel.OPERATOR: "mức tổng đài: nhà mạng đã tiếp nhận",
    ReceiptLevel.HANDSET: "mức máy: máy thuê bao đã nhận",
}
HANDSET_BY = "Mức máy"  # before who said that receipts prove the telephone
NO_RECEIPTS = "không có biên nhận"  # shown for a number that no receipt can prove
NOT_SAID = "không báo"  # shown for what a carrier's own report leaves out
UNPROVED = "…"  # the same in wide tables, explained below them; as in Vietnamese statistics

RUN_STATES: dict[str, str] = {
    RunState.PLANNED: "chưa gửi",
    RunState.RUNNING: "đang gửi",
    RunState.PAUSED: "tạm dừng",
    RunState.CANCELLING: "đang hủy",
    RunState.SENT: "đã gửi hết",
    RunState.FINISHED: "hoàn thành",
    RunState.CANCELLED: "đã hủy",
}


def vouched(by: str) -> str:
    """Say who said that receipts prove the telephone."""
    return " ".join(("theo", by)) if by else "chưa ghi ai xác nhận"


def group(reason: int) -> Reason:
    return Reason(reason) if reason in REASONS else Reason.OTHER


def not_sent(reason: int) -> str:
    return NOT_SENT.get(reason, NOT_SENT_OTHER)


def not_sent_key(reason: int) -> str:
    if reason == NotSent.REPEATED:
        return "repeated_in_campaign"
    return NotSent(reason).name.lower() if reason in NOT_SENT else "other"


def bad_line(key: str) -> str:
    sentence = phone.REASONS[key].vi if key in phone.REASONS else BAD_LINES.get(key, key)
    return f"{WRONG_NUMBER}: {sentence[0].lower()}{sentence[1:].rstrip('.')}"


def area(code: str | None, on: date) -> str:
    """Return the area's name on that day; its code if it had none."""
    if code is None:
        return NO_AREA
    found = areas.find(code, on)
    return found.name if found else code

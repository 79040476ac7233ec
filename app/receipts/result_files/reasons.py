"""Why a line of a result file can't be read: reasons of number (app/core/phone.py), line, status, time."""

from __future__ import annotations

from app.core import phone
from app.core.phone import Sentence
from app.file_import.row_blocks import LINE_REASONS

STATUS_WORD = "status_word"
NO_STATUS = "no_status"
TIME = "time"

REASONS = (
    phone.REASONS
    | LINE_REASONS
    | {
        STATUS_WORD: Sentence(
            "Nobody knows this status word: say what it means in status_words of the carrier's link.",
            "Chưa biết từ trạng thái này: khai báo nghĩa của nó trong status_words của kết nối.",
        ),
        NO_STATUS: Sentence("There is no status.", "Không có trạng thái."),
        TIME: Sentence(
            "This is no time of the past, such as 29/01/2024 10:05 or 2024-01-29T10:05+07:00.",
            "Thời gian không đúng, ví dụ đúng: 29/01/2024 10:05 hoặc 2024-01-29T10:05+07:00.",
        ),
    }
)

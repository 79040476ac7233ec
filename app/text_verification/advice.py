"""Advice to people for each verdict, signs of fraud in a text that is not ours, and how long texts may be."""

from __future__ import annotations

import re
from enum import StrEnum

from app.core.phone import Sentence
from app.text_verification.compare import TextComparison, TextVerdict
from carriers.text import unaccent

LONGEST = 2000  # characters that may be pasted

ADVICE = {
    TextVerdict.GENUINE: Sentence(
        "Exact match: this text was sent through this system. If yours came from another sender, "
        "or with a link, a number to call or a demand for money, do not follow it.",
        "Đúng từng chữ: nội dung này đã được gửi qua hệ thống. Nếu tin đến từ tên người gửi "
        "khác, hoặc kèm đường dẫn, số điện thoại, yêu cầu chuyển tiền thì đừng làm theo.",
    ),
    TextVerdict.WITHDRAWN: Sentence(
        "Exact match with a text sent through this system, but its sending was stopped because it "
        "may have been wrong. Do not rely on it. Ask the nearest police station.",
        "Đúng từng chữ một tin đã gửi qua hệ thống, nhưng việc gửi đã bị dừng: nội dung có thể "
        "có sai sót. Đừng làm theo tin này; hãy hỏi Công an nơi gần nhất.",
    ),
    TextVerdict.INCOMPLETE: Sentence(
        "This is only part of a text that was sent. Paste the whole text and check again. Until "
        "then, do not open its links or call its numbers.",
        "Đây chỉ là một phần của một tin đã gửi. Hãy dán đủ cả tin rồi kiểm tra lại; chưa kiểm tra lại thì "
        "đừng bấm đường dẫn, đừng gọi số trong tin.",
    ),
    TextVerdict.ALTERED: Sentence(
        "This is similar to a message that was sent, but not identical. Check that you pasted only "
        "the message. If it still differs, do not follow it.",
        "Nội dung này gần giống một tin đã gửi nhưng không đúng từng chữ. Hãy kiểm tra xem bạn có dán đúng "
        "riêng nội dung tin không; nếu vẫn khác thì đừng làm theo.",
    ),
    TextVerdict.UNKNOWN: Sentence(
        "No text like this was sent through this system. That does not show whether it is genuine. "
        "Ask the nearest police station before you follow it.",
        "Không có nội dung này trong các tin đã gửi. Điều đó chưa nói được tin là thật hay giả: "
        "hãy hỏi Công an nơi gần nhất trước khi làm theo.",
    ),
}
_LINK_OR_NUMBER = Sentence(
    "WARNING: this is similar to a message that was sent, but with a different link or number, so "
    "it is probably a forgery. Do not open its links or call its numbers.",
    "CẢNH BÁO: nội dung này gần giống một tin đã gửi nhưng có đường dẫn hoặc số khác, nhiều khả năng là "
    "tin giả. Đừng bấm đường dẫn, đừng gọi số trong tin.",
)


def advice(comparison: TextComparison) -> Sentence:
    """Return what to tell whoever has received the text."""
    return _LINK_OR_NUMBER if comparison.link_or_number else ADVICE[comparison.verdict]


# ---- What frauds ask for: signs in a text that is not one of ours, to explain to who has received it


class RedFlag(StrEnum):
    """Something that no police and no bank asks for in a message."""

    MONEY = "money"
    CODE = "code"
    LINK = "link"
    ACCOUNT = "account"
    THREAT = "threat"


_SIGNS = {
    RedFlag.MONEY: r"\b(chuyen (tien|khoan)|nop (tien|phat|phi)|nap tien|dat coc|hoan tien|vay tien)\b",
    RedFlag.CODE: r"\b(otp|ma (xac (thuc|nhan|minh)|pin)|mat khau|password)\b",
    RedFlag.LINK: r"https?:|www\.|\b[\w-]+\.(com|net|org|vn|xyz|top|info|cc|vip|online|site|app|me|ly)\b",
    RedFlag.ACCOUNT: r"\b(so tai khoan|stk|tai khoan (an toan|tam giu|ngan hang)|so the)\b",
    RedFlag.THREAT: r"\b(vu an|rua tien|lenh bat|khoi to|phong toa|trieu tap|lenh tam giam|khoa so)\b",
}
_FOUND = {flag: re.compile(pattern) for flag, pattern in _SIGNS.items()}


def red_flags(text: str) -> list[RedFlag]:
    """Return the signs in this text, whichever diacritics it has."""
    plain = unaccent(text).casefold()
    return [flag for flag, sign in _FOUND.items() if sign.search(plain)]

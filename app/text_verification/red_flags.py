"""What frauds ask for: signs in a text that is not one of ours, to explain to who has received it."""

from __future__ import annotations

import re
from enum import StrEnum

from carriers.text import unaccent


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

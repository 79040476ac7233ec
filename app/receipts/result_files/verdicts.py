"""The verdicts on lines of a result file, exactly one each, and on messages without a line."""

from __future__ import annotations

from enum import StrEnum

from app.core.phone import Sentence


class ResultVerdict(StrEnum):
    """Stored with each line; a file's counters have the same names."""

    BAD = "bad"
    REPEATED = "repeated"
    AGREED = "agreed"
    SETTLED = "settled"
    SAYS_DELIVERED = "says_delivered"
    SAYS_UNDELIVERED = "says_undelivered"
    OPEN = "open"
    UNSENT = "unsent"
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    MISSING = "missing"  # of a message without a line, counted by run


OF_LINES = tuple(verdict for verdict in ResultVerdict if verdict is not ResultVerdict.MISSING)

WORDS: dict[str, Sentence] = {
    ResultVerdict.AGREED: Sentence("The file and the ledger say the same.", "Khớp với sổ của Loa."),
    ResultVerdict.SETTLED: Sentence(
        "The file told something new: the message's state has moved.",
        "Tệp cho biết kết quả mới: trạng thái tin đã được cập nhật.",
    ),
    ResultVerdict.SAYS_DELIVERED: Sentence(
        "The file says delivered where the ledger had a failure; both are kept, and it counts as delivered.",
        "Tệp báo đã nhận, trước đó sổ ghi không nhận được; giữ cả hai, tính là đã nhận.",
    ),
    ResultVerdict.SAYS_UNDELIVERED: Sentence(
        "The file says not delivered where a receipt said delivered; both are kept, and nothing moves back.",
        "Tệp báo không nhận được, biên nhận trước đó báo đã nhận; giữ cả hai, trạng thái không đổi.",
    ),
    ResultVerdict.OPEN: Sentence(
        "The file says nothing final of the message, or nothing of its last sending.",
        "Tệp chưa cho biết kết quả cuối cùng của tin, hoặc của lần gửi gần nhất.",
    ),
    ResultVerdict.REPEATED: Sentence(
        "Another line of the file speaks later of the same message.",
        "Dòng khác trong tệp nói sau về cùng tin này.",
    ),
    ResultVerdict.UNSENT: Sentence(
        "The carrier claims it, but it was not sent, or was refused at once.",
        "Tệp có số này nhưng tin chưa gửi hoặc đã bị từ chối ngay khi gửi.",
    ),
    ResultVerdict.UNKNOWN: Sentence(
        "Nothing was sent to this number through this carrier around that time.",
        "Không gửi tin nào tới số này qua doanh nghiệp này vào khoảng thời gian đó.",
    ),
    ResultVerdict.AMBIGUOUS: Sentence(
        "Several campaigns have sent to this number around that time: name the campaign.",
        "Nhiều chiến dịch đã gửi tới số này vào khoảng thời gian đó: hãy chỉ rõ chiến dịch.",
    ),
    ResultVerdict.BAD: Sentence("The line can't be read.", "Dòng không đọc được."),
    ResultVerdict.MISSING: Sentence(
        "It was handed over, and the file has no line for it.",
        "Đã chuyển cho nhà mạng nhưng tệp không có dòng.",
    ),
}

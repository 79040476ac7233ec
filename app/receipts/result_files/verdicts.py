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
    ResultVerdict.AGREED: Sentence("The file and the ledger agree.", "Khớp với sổ của Loa."),
    ResultVerdict.SETTLED: Sentence(
        "The file contained a new result, and the message's state was updated.",
        "Tệp cho biết kết quả mới: trạng thái tin đã được cập nhật.",
    ),
    ResultVerdict.SAYS_DELIVERED: Sentence(
        "The file reports delivered, but the ledger had a failure. Both are kept, and the message "
        "counts as delivered.",
        "Tệp báo đã nhận, trước đó sổ ghi không nhận được; giữ cả hai, tính là đã nhận.",
    ),
    ResultVerdict.SAYS_UNDELIVERED: Sentence(
        "The file reports not delivered, but a receipt said delivered. Both are kept, and the "
        "state does not change.",
        "Tệp báo không nhận được, biên nhận trước đó báo đã nhận; giữ cả hai, trạng thái không đổi.",
    ),
    ResultVerdict.OPEN: Sentence(
        "The file has no final result for the message, or none for its last sending.",
        "Tệp chưa cho biết kết quả cuối cùng của tin, hoặc của lần gửi gần nhất.",
    ),
    ResultVerdict.REPEATED: Sentence(
        "Another line of the file has a later result for the same message.",
        "Dòng khác trong tệp nói sau về cùng tin này.",
    ),
    ResultVerdict.UNSENT: Sentence(
        "The carrier lists it, but it was not sent or was rejected immediately.",
        "Tệp có số này nhưng tin chưa gửi hoặc đã bị từ chối ngay khi gửi.",
    ),
    ResultVerdict.UNKNOWN: Sentence(
        "Nothing was sent to this number through this carrier around that time.",
        "Không gửi tin nào tới số này qua doanh nghiệp này vào khoảng thời gian đó.",
    ),
    ResultVerdict.AMBIGUOUS: Sentence(
        "Several campaigns sent to this number around that time. Name the campaign.",
        "Nhiều chiến dịch đã gửi tới số này vào khoảng thời gian đó: hãy chỉ rõ chiến dịch.",
    ),
    ResultVerdict.BAD: Sentence("The line cannot be read.", "Dòng không đọc được."),
    ResultVerdict.MISSING: Sentence(
        "It was handed over to the carrier, but the file has no line for it.",
        "Đã chuyển cho nhà mạng nhưng tệp không có dòng.",
    ),
}

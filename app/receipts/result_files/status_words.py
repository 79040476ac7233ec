"""Meanings of the status words in result files: common ones and the carrier's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from app.core.areas import fold
from app.core.config import LinkSettings
from app.core.errors import SetupError
from carriers.contract import Reason, ReceiptStatus

_WORDS_LIMIT = 10_000  # different words of one file that are remembered


class Meaning(NamedTuple):
    """The status that a word means, and the reason if the word itself tells it."""

    status: ReceiptStatus
    reason: Reason = Reason.NONE


def _all(meaning: ReceiptStatus, words: str, reason: Reason = Reason.NONE) -> dict[str, Meaning]:
    return dict.fromkeys(words.split(), Meaning(meaning, reason))


# Folded: lower-case letters and digits without diacritics. Ambiguous words are left out: what
# “gửi thành công” or “1” proves is in the carrier's contract; name it in `status_words` of its link.
WORDS: Mapping[str, Meaning] = {
    **_all(ReceiptStatus.DELIVERED, "delivrd delivered success successful thanhcong danhan danhantin"),
    **_all(ReceiptStatus.DELIVERED, "nhanthanhcong nhanduoc danhanduoc dadenmay"),
    **_all(ReceiptStatus.UNDELIVERED, "undeliv undelivered undeliverable failed fail failure notdelivered"),
    **_all(ReceiptStatus.UNDELIVERED, "deleted thatbai guithatbai khongthanhcong guikhongthanhcong"),
    **_all(ReceiptStatus.UNDELIVERED, "khongnhan khongnhanduoc khongden khongdenmay"),
    **_all(ReceiptStatus.UNDELIVERED, "rejectd rejected tuchoi bituchoi", Reason.FILTERED),
    **_all(ReceiptStatus.UNDELIVERED, "saiso sothuebaosai khongtontai sokhongtontai", Reason.NO_SUCH_NUMBER),
    **_all(ReceiptStatus.UNDELIVERED, "thuebaokhongtontai sothuhoi dathuhoi", Reason.NO_SUCH_NUMBER),
    **_all(ReceiptStatus.UNDELIVERED, "khoachieuden tamkhoa bikhoa chanchieuden", Reason.BARRED),
    **_all(ReceiptStatus.UNDELIVERED, "daybonho bonhoday hopthuday", Reason.HANDSET),
    **_all(ReceiptStatus.UNDELIVERED, "chuyenmang dachuyenmang", Reason.OTHER_NETWORK),
    **_all(ReceiptStatus.EXPIRED, "expired hethan quahan hethoigian tatmay ngoaivungphusong"),
    **_all(ReceiptStatus.EXPIRED, "thuebaotatmay thuebaokhonglienlacduoc khonglienlacduoc"),
    **_all(
        ReceiptStatus.IN_TRANSIT,
        "sent accepted acceptd enroute intransit pending retrying scheduled submitted",
    ),
    **_all(ReceiptStatus.IN_TRANSIT, "dagui dangcho dangxuly danggui dangchuyen chuanhan"),
    **_all(ReceiptStatus.UNKNOWN, "unknown khongro khongxacdinh"),
}


class StatusWords:
    """The meanings for one carrier; `own`: its own words, folded."""

    def __init__(self, overrides: Mapping[str, ReceiptStatus] | None = None) -> None:
        self._known = {**WORDS, **{word: Meaning(status) for word, status in (overrides or {}).items()}}
        self._met: dict[str, Meaning | None] = {}

    def meaning(self, raw: str) -> Meaning | None:
        if raw not in self._met:
            if len(self._met) >= _WORDS_LIMIT:
                self._met.clear()
            self._met[raw] = self._known.get(fold(raw))
        return self._met[raw]

    def reason(self, raw: str) -> Reason:
        """Return the reason that a word of a reasons column means, NONE if it is not known."""
        found = self.meaning(raw)
        if found is None:
            return Reason.NONE
        return Reason.EXPIRED if found.status is ReceiptStatus.EXPIRED else found.reason


def words_of(links: Iterable[LinkSettings], carrier: str) -> StatusWords:
    """Return the words of a carrier. Raises SetupError if two of its links give a word different meanings."""
    own: dict[str, ReceiptStatus] = {}
    for link in links:
        for word, status in link.status_words.items() if link.carrier == carrier else ():
            if own.setdefault(fold(word), status) is not status:
                raise SetupError(
                    "Two links of {carrier} give the status word “{word}” different meanings. Make "
                    "`status_words` the same in both.",
                    carrier=carrier,
                    word=word,
                )
    return StatusWords(own)

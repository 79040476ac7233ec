"""What status words and times mean: everybody's, a carrier's own, and those that nobody knows."""

from __future__ import annotations

import pytest

from app.core import clock
from app.core.config import LinkSettings
from app.core.errors import SetupError
from app.receipts.result_files.line_parser import read_time
from app.receipts.result_files.status_words import StatusWords, words_of
from carriers.contract import Reason, ReceiptStatus


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("DELIVRD", ReceiptStatus.DELIVERED, Reason.NONE),
        (" delivered ", ReceiptStatus.DELIVERED, Reason.NONE),
        ("Thành công", ReceiptStatus.DELIVERED, Reason.NONE),
        ("đã nhận", ReceiptStatus.DELIVERED, Reason.NONE),
        ("UNDELIV", ReceiptStatus.UNDELIVERED, Reason.NONE),
        ("Thất bại", ReceiptStatus.UNDELIVERED, Reason.NONE),
        ("KHÔNG NHẬN ĐƯỢC", ReceiptStatus.UNDELIVERED, Reason.NONE),
        ("REJECTD", ReceiptStatus.UNDELIVERED, Reason.FILTERED),
        ("Số không tồn tại", ReceiptStatus.UNDELIVERED, Reason.NO_SUCH_NUMBER),
        ("Khóa chiều đến", ReceiptStatus.UNDELIVERED, Reason.BARRED),
        ("EXPIRED", ReceiptStatus.EXPIRED, Reason.NONE),
        ("Tắt máy", ReceiptStatus.EXPIRED, Reason.NONE),
        ("SENT", ReceiptStatus.IN_TRANSIT, Reason.NONE),
        ("Chưa nhận", ReceiptStatus.IN_TRANSIT, Reason.NONE),
        ("UNKNOWN", ReceiptStatus.UNKNOWN, Reason.NONE),
    ],
)
def test_usual_words_are_known_in_any_case_and_without_diacritics(
    word: str, status: ReceiptStatus, reason: Reason
) -> None:
    assert StatusWords().meaning(word) == (status, reason)


@pytest.mark.parametrize("word", ["", "1", "0", "OK", "gửi thành công", "DELIVRD?x", "thànhcôngkhông"])
def test_what_may_mean_two_things_or_nothing_is_not_guessed(word: str) -> None:
    assert StatusWords().meaning(word) is None


def link(carrier: str = "vnpt", **words: str) -> LinkSettings:
    return LinkSettings.model_validate({"carrier": carrier, "segments_per_second": 1, "status_words": words})


def test_a_carriers_own_words_go_before_everybodys() -> None:
    links = [link(SENT="delivered", X9="expired"), link("viettel", X9="delivered")]
    words = words_of(links, "vnpt")
    assert words.meaning("sent") == (ReceiptStatus.DELIVERED, Reason.NONE)
    assert words.meaning("x9") == (ReceiptStatus.EXPIRED, Reason.NONE)
    assert words.meaning("DELIVRD") == (ReceiptStatus.DELIVERED, Reason.NONE)
    assert words_of(links, "mobifone").meaning("X9") is None


def test_two_links_of_a_carrier_may_not_contradict_each_other() -> None:
    words_of([link(X="delivered"), link(X="delivered")], "vnpt")
    with pytest.raises(SetupError, match="“X”"):
        words_of([link(x="delivered"), link(X="undelivered")], "vnpt")


def test_a_column_of_reasons_tells_why() -> None:
    words = StatusWords()
    assert words.reason("Số không tồn tại") is Reason.NO_SUCH_NUMBER
    assert words.reason("thuê bao tắt máy") is Reason.EXPIRED
    assert words.reason("bị nhiễu") is Reason.NONE


def test_more_words_than_are_remembered_are_still_told() -> None:
    words = StatusWords()
    assert [words.meaning(f"word {n}") for n in range(10_001)] == [None] * 10_001
    assert words.meaning("DELIVRD") is not None


@pytest.mark.parametrize(
    ("raw", "local"),
    [
        ("29/01/2024 10:05", "2024-01-29 10:05:00"),
        ("29-01-2024 10:05:09", "2024-01-29 10:05:09"),
        ("9/1/2024 7:05", "2024-01-09 07:05:00"),
        ("29.01.2024, 10:05", "2024-01-29 10:05:00"),
        ("10:05:09 29/01/2024", "2024-01-29 10:05:09"),
        ("29/01/2024", "2024-01-29 00:00:00"),
        (" 2024-01-29 10:05:09 ", "2024-01-29 10:05:09"),
        ("2024-01-29T10:05:09+07:00", "2024-01-29 10:05:09"),
        ("2024-01-29T03:05:09Z", "2024-01-29 10:05:09"),
        ("2024-01-29T10:05", "2024-01-29 10:05:00"),
        ("20240129100509", "2024-01-29 10:05:09"),
        ("45320.4201388889", "2024-01-29 10:05:00"),
        ("45320,5", "2024-01-29 12:00:00"),
        ("45320", "2024-01-29 00:00:00"),
    ],
)
def test_times_are_read_in_every_usual_spelling(raw: str, local: str) -> None:
    ms = read_time(raw)
    assert ms is not None
    assert clock.local(clock.from_ms(ms)).strftime("%Y-%m-%d %H:%M:%S") == local


@pytest.mark.parametrize(
    "raw",
    [
        *("", "hôm qua", "31/02/2024 10:00", "01/29/2024 10:00", "29/01/2024 25:00", "29/01/24 10:05"),
        *("2024-W05-1", "2024-01-29T10:05:99", "1899-12-30 00:00:00", "99999999999999", "0912000001", "12"),
    ],
)
def test_what_is_no_time_is_none(raw: str) -> None:
    assert read_time(raw) is None

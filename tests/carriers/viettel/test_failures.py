"""The failures of a day: page after page, with numbers and without references, or an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import httpx
import pytest
from structlog.testing import capture_logs

from carriers.contract import (
    ListedFailures,
    ReadError,
    Reason,
    Receipt,
    ReceiptLevel,
    ReceiptStatus,
)
from tests.carriers.viettel.answers import (
    PASSWORD,
    SENDER,
    Service,
    envelope,
    failures,
    fault,
    link,
)
from tests.exact import exactly

DAY, NEXT = date(2026, 11, 24), date(2026, 11, 25)
WRONG = "Authenticate: WRONG_INFORMATION_AUTHENTICATE"


def numbered(first: int, count: int) -> list[tuple[str, str]]:
    return [(f"8498123{number:04d}", "Absent") for number in range(first, first + count)]


def pages(*content: Sequence[tuple[str, str]]) -> Service:
    return Service(lambda said: failures(content[int(said["pageNumber"]) - 1]))


# ---- failures of a day


@pytest.mark.longer
async def test_failures_are_undelivered_and_have_a_number_and_no_reference() -> None:
    service = pages([("84981230001", "Thue bao tat may"), ("0981230002", "002"), ("+84981230003", "")])
    async with link(service, reasons={"2": "barred"}) as carrier:
        assert isinstance(carrier, ListedFailures)
        found = await carrier.failures(DAY, SENDER)
    gone, none = ReceiptStatus.UNDELIVERED, ReceiptLevel.NONE
    assert found == [
        Receipt(
            None,
            "84981230001",
            gone,
            none,
            Reason.OTHER,
            "Thue bao tat may",
            raw="getFailSub: Thue bao tat may",
        ),
        Receipt(None, "84981230002", gone, none, Reason.BARRED, "002", raw="getFailSub: 002"),
        Receipt(None, "84981230003", gone, none, Reason.OTHER, "", raw="getFailSub: "),
    ]
    assert service.asked == [
        (
            "getFailSub",
            {
                "username": "loa",
                "password": PASSWORD,
                "cpCode": "SLA_CA",
                "alias": SENDER,
                "date": "24/11/2026",
                "pageNumber": "1",
                "pageSize": "500",
            },
        )
    ]


@pytest.mark.longer
async def test_pages_are_read_until_one_is_short() -> None:
    service = pages(numbered(0, 3), numbered(3, 3), numbered(6, 1))
    async with link(service, failure_page=3, failure_date="yyyyMMdd") as carrier:
        found = await carrier.failures(DAY, SENDER)
    assert [each.phone for each in found] == [f"8498123{number:04d}" for number in range(7)]
    assert [said["pageNumber"] for _, said in service.asked] == ["1", "2", "3"]
    assert {said["date"] for _, said in service.asked} == {"20261124"}


async def test_a_full_last_page_is_followed_by_an_empty_one() -> None:
    service = pages(numbered(0, 3), [])
    async with link(service, failure_page=3) as carrier:
        assert len(await carrier.failures(DAY, SENDER)) == 3


async def test_a_page_that_comes_again_ends_the_list_and_counts_once() -> None:
    service = Service(lambda _: failures(numbered(0, 3)))
    async with link(service, failure_page=3, failure_first_page=0) as carrier:
        assert len(await carrier.failures(DAY, SENDER)) == 3
    assert [said["pageNumber"] for _, said in service.asked] == ["0", "1"]


async def test_a_list_without_end_is_an_error_and_no_part_of_it_is_given() -> None:
    service = Service(lambda said: failures(numbered(int(said["pageNumber"]) * 3, 3)))
    async with link(service, failure_page=3, failure_pages=4) as carrier:
        with pytest.raises(ReadError, match=r"more than 4 pages: raise failure_page\."):
            await carrier.failures(DAY, SENDER)
    assert len(service.asked) == 4


async def test_rows_without_a_number_are_counted_in_the_log() -> None:
    rows = [("84981230001", "Absent"), ("", "Absent"), ("CA SONLA", "x"), ("8498123000", "short")]
    with capture_logs() as logs:
        async with link(pages(rows)) as carrier:
            assert [each.phone for each in await carrier.failures(DAY, SENDER)] == ["84981230001"]
    assert [(each["rows"], each["without"]) for each in logs if each["event"].startswith("failures")] == [
        (4, 3)
    ]


async def test_no_failures_are_an_empty_list() -> None:
    async with link(failures([])) as carrier:
        assert await carrier.failures(DAY, SENDER) == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (failures([], "1", "He thong loi"), r"getFailSub was refused: code 1, He thong loi\."),
        (failures([], "", WRONG), r"getFailSub was refused: code missing, .*WRONG_INFORMATION"),
        (failures(numbered(0, 1), "7", PASSWORD), r"getFailSub was refused: code 7, \[redacted\]\."),
        (envelope("getFailSub", ""), r"getFailSub was answered without a list\."),
        (b"<html>", "getFailSub was not answered: the answer cannot be read"),
        (
            fault("S:Client", "No such method"),
            r"getFailSub was refused: soap fault Client\. .*No such method",
        ),
    ],
)
async def test_an_error_is_an_error_and_not_an_empty_list(body: bytes, sentence: str) -> None:
    async with link(body) as carrier:
        with pytest.raises(ReadError, match=sentence):
            await carrier.failures(DAY, SENDER)


async def test_an_error_code_for_no_error_may_be_another() -> None:
    async with link(failures(numbered(0, 1), "1"), no_error="1") as carrier:
        assert len(await carrier.failures(DAY, SENDER)) == 1


async def test_a_sender_that_xml_can_not_carry_is_an_error() -> None:
    async with link(failures([])) as carrier:
        with pytest.raises(
            ReadError,
            match=exactly(
                "getFailSub cannot be queried: Character 3, U+0001, is not allowed in XML. Remove it."
            ),
        ):
            await carrier.failures(DAY, "CA\x01")


# ---- trying again


def answers(*statuses: int) -> Callable[[httpx.Request], httpx.Response]:
    left = list(statuses)
    return lambda _: httpx.Response(left.pop(0), content=failures(numbered(0, 1)))


async def test_a_read_that_fails_in_passing_is_asked_again() -> None:
    async with link(answers(503, 502, 200)) as carrier:
        carrier.hold_back = lambda for_s: None  # type: ignore[method-assign]
        assert len(await carrier.failures(DAY, SENDER)) == 1


async def test_a_read_is_given_up_after_its_tries() -> None:
    async with link(answers(502, 502, 200), read_tries=2) as carrier:
        with pytest.raises(
            ReadError, match="getFailSub was not answered: the carrier answered with HTTP 502"
        ):
            await carrier.failures(DAY, SENDER)


async def test_a_refusal_is_not_asked_again() -> None:
    async with link(answers(403)) as carrier:
        with pytest.raises(ReadError, match="getFailSub was refused: http 403"):
            await carrier.failures(DAY, SENDER)


async def test_a_closed_link_can_not_be_asked() -> None:
    async with link(failures([])) as carrier:
        await carrier.close()
        with pytest.raises(ReadError, match="link closed"):
            await carrier.failures(DAY, SENDER)

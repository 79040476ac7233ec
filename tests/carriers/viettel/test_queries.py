"""What is asked of the service besides failures: its own figures, statuses, the account."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from structlog.testing import capture_logs

from carriers.contract import (
    Checked,
    CheckFinding,
    LinkOptions,
    OwnFigure,
    OwnFigures,
    QueriedReceipts,
    Question,
    ReadError,
    Reason,
    Receipt,
    ReceiptLevel,
    ReceiptStatus,
)
from carriers.viettel.carrier import QueriedViettel, ViettelCarrier
from tests.carriers.viettel.answers import (
    BASE,
    PASSWORD,
    SENDER,
    Service,
    envelope,
    link,
    single,
)

DAY, NEXT = date(2026, 11, 24), date(2026, 11, 25)
WRONG = "Authenticate: WRONG_INFORMATION_AUTHENTICATE"


# ---- own figures


def row(period: str, **said: object) -> str:
    tags = "".join(f"<{name}>{value}</{name}>" for name, value in said.items())
    return f"<return>{tags}<reportDate>{period}</reportDate></return>"


async def test_figures_by_day_keep_the_carriers_own_names() -> None:
    rows = row("24/11/2026", cpAlias="CA SONLA", cpCode="SLA_CA", sumMT=1000, mtSent=990, mtFailure=10)
    rows += row("25/11/2026", cpAlias="CA SONLA", cpCode="SLA_CA", sumMT=5, smsSentOut=0)
    rows += row("25/11/2026", cpAlias="OTHER", cpCode="OTHER", sumMT=77)
    service = Service(lambda _: envelope("wsReportDaily", rows))
    async with link(service, report_date="yyyy-MM-dd") as carrier:
        assert isinstance(carrier, OwnFigures)
        assert await carrier.figures(DAY, NEXT) == [
            OwnFigure("24/11/2026", "CA SONLA sumMT", 1000),
            OwnFigure("24/11/2026", "CA SONLA mtSent", 990),
            OwnFigure("24/11/2026", "CA SONLA mtFailure", 10),
            OwnFigure("25/11/2026", "CA SONLA sumMT", 5),
            OwnFigure("25/11/2026", "CA SONLA smsSentOut", 0),
        ]
    assert service.asked == [
        (
            "wsReportDaily",
            {
                "User": "loa",
                "Password": PASSWORD,
                "CPCode": "SLA_CA",
                "startDate": "2026-11-24",
                "endDate": "2026-11-25",
            },
        )
    ]


@pytest.mark.longer
async def test_figures_by_hour_are_asked_hour_by_hour() -> None:
    def answer(said: dict[str, str]) -> bytes:
        count = int(said["timeReport"][-2:])
        return envelope("wsReportHour", f"<return><sumMT>{count}</sumMT></return>" if count else "")

    service = Service(answer)
    async with link(service, report_by="hour") as carrier:
        found = await carrier.figures(DAY, NEXT)
    assert [said["timeReport"] for _, said in service.asked][:25:24] == ["24/11/2026 00", "25/11/2026 00"]
    assert len(service.asked) == 48
    assert found[0] == OwnFigure("24/11/2026 01", "sumMT", 1)
    assert sum(each.count for each in found) == 2 * sum(range(24))


@pytest.mark.parametrize(
    ("inside", "sentence"),
    [
        (row("", result=0, message=WRONG), "wsReportDaily was refused: Authenticate: WRONG_INFORMATION"),
        (row("", result=0, message="Loi"), r"wsReportDaily was refused: Loi\."),
        (row("", sumMT="12.5"), r"wsReportDaily: sumMT is no count: 12\.5\."),
        (row("", sumMT="-1"), r"wsReportDaily: sumMT is no count: -1\."),
    ],
)
async def test_figures_that_are_none_are_an_error(inside: str, sentence: str) -> None:
    async with link(envelope("wsReportDaily", inside)) as carrier:
        with pytest.raises(ReadError, match=sentence):
            await carrier.figures(DAY, NEXT)


# ---- statuses

ASKING: dict[str, object] = {
    "operation": "wsCpMtRegDlr",
    "dlr_statuses": {"1": "delivered", "2": "undelivered", "3": "in_transit", "4": "expired"},
    "receipt_level": "operator",
}
QUESTION = Question("55", "84981230001", SENDER, datetime(2026, 11, 24, tzinfo=UTC))


def status(*pairs: tuple[str, str]) -> bytes:
    details = "".join(
        f"<details><dlrStatus>{code}</dlrStatus><messageId>{name}</messageId></details>"
        for name, code in pairs
    )
    return envelope("getDlrStatus", f"<return><message>OK</message><result>1</result>{details}</return>")


@pytest.mark.parametrize(
    ("code", "expected", "reason"),
    [
        ("1", ReceiptStatus.DELIVERED, Reason.NONE),
        ("2", ReceiptStatus.UNDELIVERED, Reason.OTHER),
        ("3", ReceiptStatus.IN_TRANSIT, Reason.NONE),
        ("4", ReceiptStatus.EXPIRED, Reason.EXPIRED),
        ("9", ReceiptStatus.UNKNOWN, Reason.NONE),
        ("", ReceiptStatus.UNKNOWN, Reason.NONE),
    ],
)
async def test_a_status_means_what_the_contract_says(
    code: str, expected: ReceiptStatus, reason: Reason
) -> None:
    service = Service(lambda _: status(("54", "2"), ("55", code)))
    async with link(service, **ASKING) as carrier:
        assert isinstance(carrier, QueriedViettel)
        assert isinstance(carrier, QueriedReceipts)
        assert await carrier.query(QUESTION) == Receipt(
            "55",
            "84981230001",
            expected,
            ReceiptLevel.OPERATOR,
            reason,
            code,
            raw=f"getDlrStatus: dlrStatus {code}",
        )
    assert service.asked[0][1]["MessageIds"] == "55"


@pytest.mark.parametrize(
    "body",
    [
        status(),
        status(("56", "1")),
        status(("55", "1"), ("55", "2")),
        envelope("getDlrStatus", ""),
        single(WRONG, 0, "getDlrStatus"),
        b"",
    ],
)
async def test_no_status_is_no_receipt(body: bytes) -> None:
    async with link(body, **ASKING) as carrier:
        assert isinstance(carrier, QueriedViettel)
        assert await carrier.query(QUESTION) is None


async def test_a_link_whose_contract_names_no_statuses_is_not_asked() -> None:
    async with link(b"") as carrier:
        assert not isinstance(carrier, QueriedReceipts)


# ---- the account


def account(said: dict[str, str], **parts: str) -> bytes:
    if "TaxCode" in said:
        return envelope("wsGetCpCode", parts.get("names", ""))
    if "User" in said:
        return envelope("checkBalance", parts.get("balance", ""))
    return envelope("getIp", parts.get("address", ""))


GOOD = {
    "address": "<return>203.0.113.9</return>",
    "balance": "<return><balance>1500000.5</balance><errCode>0</errCode><errDesc>OK</errDesc></return>",
    "names": "<return><alias>CA SONLA</alias><alias>CA SLA</alias><cpCode>SLA_CA</cpCode></return>",
}


async def test_a_check_finds_address_balance_and_sender_ids() -> None:
    service = Service(lambda said: account(said, **GOOD))
    async with link(service, tax_code="5500123456") as carrier:
        assert isinstance(carrier, Checked)
        assert await carrier.check() == [
            CheckFinding(True, "The carrier sees us at 203.0.113.9: this address must be on its list."),
            CheckFinding(True, "User, password and CP code are taken. The balance is 1500000.5."),
            CheckFinding(
                True, "wsGetCpCode has CP code SLA_CA for this tax code, sender IDs: CA SONLA, CA SLA."
            ),
        ]
    assert [operation for operation, _ in service.asked] == ["getIp", "checkBalance", "wsGetCpCode"]
    assert service.asked[0][1] == {}


@pytest.mark.parametrize(
    ("part", "inside", "which", "sentence"),
    [
        ("address", "", 0, "getIp was answered without an address."),
        ("balance", "<return><balance>0</balance><errCode>0</errCode></return>", 1, "The balance is 0."),
        ("balance", "<return><balance>-5</balance></return>", 1, "The balance is -5."),
        (
            "balance",
            "<return><errCode>0</errCode></return>",
            1,
            "checkBalance was answered without a balance",
        ),
        ("balance", "<return><errCode>9</errCode><errDesc>x</errDesc></return>", 1, "refused: code 9, x."),
        ("balance", f"<return><errDesc>{WRONG}</errDesc></return>", 1, "WRONG_INFORMATION_AUTHENTICATE"),
        ("names", "", 2, "wsGetCpCode was answered without a CP code."),
        ("names", "<return><cpCode>X</cpCode></return>", 2, "CP code X for this tax code, sender IDs: none."),
        ("names", "<return><alias>A</alias><cpCode>X</cpCode></return>", 2, "CP code X for our tax code"),
    ],
)
async def test_what_is_not_as_it_should_be_is_a_finding(
    part: str, inside: str, which: int, sentence: str
) -> None:
    service = Service(lambda said: account(said, **{**GOOD, part: inside}))
    async with link(service, tax_code="5500123456") as carrier:
        found = await carrier.check()
    assert [each.good for each in found] == [number != which for number in range(3)]
    assert sentence in found[which].what


async def test_a_check_of_a_carrier_that_is_away_finds_that_and_no_secret() -> None:
    with capture_logs() as logs:
        options = {**BASE, "base_url": "http://127.0.0.1:1/bulkapi"}
        carrier = ViettelCarrier(LinkOptions("viettel-1", "viettel", 100, options))
        await carrier.open()
        found = await carrier.check()
        await carrier.close()
    assert [each.good for each in found] == [False, False]
    assert found[0].what == (
        "getIp was not answered: no connection: nothing is listening at this address and port."
    )
    assert PASSWORD not in f"{found}{logs}"

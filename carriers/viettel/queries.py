"""Queries of a Viettel link: the failures of a day, its own figures, statuses and the account."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from xml.etree.ElementTree import Element

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from carriers.contract import (
    CheckFinding,
    Deferred,
    Halted,
    OwnFigure,
    Question,
    ReadError,
    Reason,
    Receipt,
    ReceiptStatus,
    Unknown,
)
from carriers.http import Failure
from carriers.options import plain_code
from carriers.viettel.codes import CodeTable
from carriers.viettel.settings import ViettelSettings
from carriers.viettel.soap import arguments
from carriers.xml import Markup, XmlError, child, child_text, children

# call(operation, arguments) -> the operation's response, or why there is none.
Call = Callable[[str, Markup], Awaitable[Element | Failure]]
COUNTS = (
    "sumMT",
    "mtSent",
    "mtSentVt",
    "mtSentOut",
    "mtError",
    "mtErrorAlias",
    "mtFailure",
    "smsSent",
    "smsSentVt",
    "smsSentOut",
)
_REASONS = {ReceiptStatus.UNDELIVERED: Reason.OTHER, ReceiptStatus.EXPIRED: Reason.EXPIRED}
_Pairs = tuple[tuple[str, str], ...]


class _NotNow(ReadError):
    """Another try may succeed."""


class ViettelQueries:
    """The queries of one link. They change nothing, so temporary failures are retried."""

    def __init__(self, call: Call, settings: ViettelSettings, book: CodeTable, link: str) -> None:
        self._call, self._own, self._book = call, settings, book
        self._log = structlog.get_logger("loa.viettel").bind(link=link)
        self._account: _Pairs = (
            ("User", settings.user),
            ("Password", settings.password),
            ("CPCode", settings.cp_code),
        )

    async def failures(self, day: date, sender: str) -> Sequence[Receipt]:
        """contract.ListedFailures by getFailSub: read pages until one is short or repeats."""
        own, found, before = self._own, list[tuple[str, str]](), list[tuple[str, str]]()
        for page in range(own.failure_first_page, own.failure_first_page + own.failure_pages):
            rows = await self._page(day, sender, page)
            if rows != before:
                found += rows
            if rows == before or len(rows) < own.failure_page:
                return self._receipts(found)
            before = rows
        raise ReadError(f"getFailSub has more than {own.failure_pages} pages: raise failure_page.")

    async def _page(self, day: date, sender: str, page: int) -> list[tuple[str, str]]:
        own = self._own
        pairs = (
            ("username", own.user),
            ("password", own.password),
            ("cpCode", own.cp_code),
            ("alias", sender),
            ("date", day.strftime(own.failure_date)),
            ("pageNumber", str(page)),
            ("pageSize", str(own.failure_page)),
        )
        answer = await self._ask("getFailSub", *pairs)
        said = child(answer, "return")
        if said is None:
            raise ReadError("getFailSub was answered without a list.")
        self._refuse("getFailSub", child_text(said, "errorCode"), child_text(said, "message"))
        rows = children(said, "result")
        return [(row.get("receiver", "").strip(), row.get("message", "").strip()) for row in rows]

    def _receipts(self, rows: Sequence[tuple[str, str]]) -> list[Receipt]:
        receipts = [self._failure(phone, words) for number, words in rows if (phone := _phone(number))]
        if len(receipts) < len(rows):
            self._log.warning("failures without a number", rows=len(rows), without=len(rows) - len(receipts))
        return receipts

    def _failure(self, phone: str, words: str) -> Receipt:
        reason = self._own.reasons.get(plain_code(words), Reason.OTHER)
        shown = self._book.quoted(words)
        level = self._own.receipt_level
        return Receipt(
            None, phone, ReceiptStatus.UNDELIVERED, level, reason, shown, raw=f"getFailSub: {shown}"
        )

    async def figures(self, first: date, last: date) -> Sequence[OwnFigure]:
        """contract.OwnFigures by wsReportDaily or wsReportHour."""
        own = self._own
        if own.report_by == "day":
            days = (
                ("startDate", first.strftime(own.report_date)),
                ("endDate", last.strftime(own.report_date)),
            )
            return await self._report("wsReportDaily", "reportDate", *days)
        found: list[OwnFigure] = []
        for hour in _hours(first, last):
            found += await self._report(
                "wsReportHour", "reportHour", ("timeReport", hour.strftime(own.report_hour))
            )
        return found

    async def _report(self, operation: str, period: str, *fields: tuple[str, str]) -> list[OwnFigure]:
        answer = await self._ask(operation, *self._account, *fields)
        found: list[OwnFigure] = []
        for row in children(answer, "return"):
            counts = {name: text for name in COUNTS if (text := child_text(row, name))}
            words = child_text(row, "message")
            if self._book.refusal(words) or (child_text(row, "result") == "0" and not counts):
                raise ReadError(f"{operation} was refused: {self._book.quoted(words)}.")
            if child_text(row, "cpCode") in ("", self._own.cp_code):
                found += self._figures(operation, row, child_text(row, period) or fields[0][1], counts)
        return found

    def _figures(
        self, operation: str, row: Element, period: str, counts: dict[str, str]
    ) -> Iterator[OwnFigure]:
        alias = self._book.quoted(child_text(row, "cpAlias"))
        for name, text in counts.items():
            if not text.isdecimal():
                raise ReadError(f"{operation}: {name} is no count: {self._book.quoted(text)}.")
            yield OwnFigure(self._book.quoted(period), f"{alias} {name}".strip(), int(text))

    async def status(self, question: Question) -> Receipt | None:
        """contract.QueriedReceipts.query by getDlrStatus; tries once, since the poller asks again."""
        pairs = (*self._account, ("MessageIds", question.reference))
        try:
            answer = await self._ask("getDlrStatus", *pairs, tries=1)
        except ReadError as error:
            self._log.warning("a status query failed", why=str(error))
            return None
        details = [each for said in children(answer, "return") for each in children(said, "details")]
        ours = (each for each in details if child_text(each, "messageId") == question.reference)
        codes = {child_text(each, "dlrStatus") for each in ours}
        return self._status(question, codes.pop()) if len(codes) == 1 else None

    def _status(self, question: Question, code: str) -> Receipt:
        status = self._own.dlr_statuses.get(code, ReceiptStatus.UNKNOWN)
        reason = _REASONS.get(status, Reason.NONE)
        level, shown = self._own.receipt_level, self._book.quoted(code)
        raw = f"getDlrStatus: dlrStatus {shown}"
        return Receipt(question.reference, question.phone, status, level, reason, shown, raw=raw)

    async def check(self) -> Sequence[CheckFinding]:
        """contract.Checked by getIp, checkBalance and, if a tax code is set, wsGetCpCode."""
        checks = [self._address, self._balance, *([self._names] if self._own.tax_code else [])]
        return [await self._run_check(each) for each in checks]

    async def _run_check(self, check_part: Callable[[], Awaitable[CheckFinding]]) -> CheckFinding:
        try:
            return await check_part()
        except ReadError as error:
            return CheckFinding(False, str(error))

    async def _address(self) -> CheckFinding:
        address = self._book.quoted(child_text(await self._ask("getIp"), "return"))
        if not address:
            return CheckFinding(False, "getIp was answered without an address.")
        return CheckFinding(True, f"The carrier sees us at {address}: this address must be on its list.")

    async def _balance(self) -> CheckFinding:
        answer = await self._ask("checkBalance", *self._account)
        found = child(answer, "return")
        said = answer if found is None else found
        self._refuse("checkBalance", child_text(said, "errCode"), child_text(said, "errDesc"))
        balance = child_text(said, "balance")
        if not re.fullmatch(r"-?\d{1,15}(\.\d{1,6})?", balance):
            return CheckFinding(
                False, f"checkBalance was answered without a balance: {self._book.quoted(balance)}."
            )
        return CheckFinding(
            float(balance) > 0, f"User, password and CP code are taken. The balance is {balance}."
        )

    async def _names(self) -> CheckFinding:
        answer = await self._ask("wsGetCpCode", *self._account, ("TaxCode", self._own.tax_code))
        said = child(answer, "return")
        if said is None:
            return CheckFinding(False, "wsGetCpCode was answered without a CP code.")
        code = child_text(said, "cpCode")
        names = ", ".join(self._book.quoted(each.text or "") for each in children(said, "alias"))
        what = (
            f"CP code {self._book.quoted(code) or 'none'} for this tax code, sender IDs: {names or 'none'}."
        )
        return CheckFinding(code == self._own.cp_code and bool(names), f"wsGetCpCode has {what}")

    async def _ask(self, operation: str, *pairs: tuple[str, str], tries: int = 0) -> Element:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(tries or self._own.read_tries),
            wait=wait_exponential(multiplier=self._own.read_pause_s, max=30),
            retry=retry_if_exception_type(_NotNow),
            reraise=True,
        )
        try:
            inside = arguments(pairs)
        except XmlError as error:
            raise ReadError(f"{operation} cannot be queried: {error}") from None
        return await retrying(self._ask_once, operation, inside)

    async def _ask_once(self, operation: str, inside: Markup) -> Element:
        found = await self._call(operation, inside)
        match found:
            case Element():
                return found
            case Deferred(code):
                raise _NotNow(f"{operation} was not answered: {code}.")
            case Unknown(reason):
                raise _NotNow(f"{operation} was not answered: {reason}.")
            case Halted(code, reason):
                raise ReadError(f"{operation} was refused: {code}. {reason}")
            case _:
                raise ReadError(f"{operation} was refused: {found.code}.")

    def _refuse(self, operation: str, code: str, message: str) -> None:
        if code not in ("", self._own.no_error) or self._book.refusal(message) is not None:
            words = self._book.quoted(message)
            raise ReadError(f"{operation} was refused: code {self._book.quoted(code) or 'missing'}, {words}.")


def _phone(number: str) -> str | None:
    found = re.fullmatch(r"(?:\+?84|0)(\d{9})", number)
    return None if found is None else f"84{found[1]}"


def _hours(first: date, last: date) -> Iterator[datetime]:
    """Yield every hour of these days in Vietnam, which has no daylight saving."""
    for day in range((last - first).days + 1):
        for hour in range(24):
            yield datetime.combine(first + timedelta(days=day), time(hour))

"""Compare VNPT's data about our account with the settings: contract, label, templates, balance."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import date, datetime
from typing import Protocol

from carriers.contract import CheckFinding, ReadError
from carriers.http import quoted
from carriers.text.template import Template, parse
from carriers.vnpt import codec
from carriers.vnpt.codes import plain_code
from carriers.vnpt.settings import VnptSettings

_ACCOUNT_REFUSED = "1"
_DAYS = ("%d/%m/%Y", "%d-%m-%Y", "%Y-%m-%d")


class Ask(Protocol):
    """Sends one query: an operation and its fields."""

    def __call__(self, operation: str, **fields: str) -> Awaitable[codec.Reply]: ...


class _AccountRefused(ReadError):
    """VNPT refuses the account: further queries would be refused too, and may lock it."""


class AccountCheck:
    """Queries each part in turn; a part that can't be queried is a finding too."""

    def __init__(self, ask: Ask, settings: VnptSettings, today: date) -> None:
        self._ask = ask
        self._own = settings
        self._today = today
        self._adser_id = settings.adser_id

    async def findings(self) -> Sequence[CheckFinding]:
        found: list[CheckFinding] = []
        for part in (self._adser, self._contract, self._label, self._templates, self._balance):
            try:
                found += await part()
            except ReadError as error:
                found.append(CheckFinding(False, str(error)))
                if isinstance(error, _AccountRefused):
                    break
        return found

    async def _rows(self, operation: str, name: str, **fields: str) -> list[codec.Reply]:
        own = self._own
        found = await self._ask(operation, REQID="check", USERNAME=own.portal_user, **fields)
        code = plain_code(found.get("ERROR", "0"))
        if code != "0":
            words = codec.said(found, own.password, own.user)
            kind = _AccountRefused if code == _ACCOUNT_REFUSED else ReadError
            raise kind(f"VNPT refuses {operation} with code {code}: {words or 'without a word'}.")
        return codec.details(found, name)

    async def _adser(self) -> Sequence[CheckFinding]:
        """Find out which customer we are, unless the settings say."""
        if self._adser_id:
            return []
        known = [_text(row, "ADSERID") for row in await self._rows("get_adser", "ADSERDETAIL")]
        if len(known) != 1:
            listed = ", ".join(known) or "none"
            return [CheckFinding(False, f"Set adser_id: VNPT lists these customers: {listed}.")]
        self._adser_id = known[0]
        return [CheckFinding(True, f"VNPT has one customer for this account: {known[0]}.")]

    async def _contract(self) -> Sequence[CheckFinding]:
        own = self._own
        rows = await self._rows("get_contract", "CONTRACTDETAIL", ADSERID=self._adser_id)
        row = _row(rows, "CONTRACTID", own.contract_id)
        if row is None:
            return [_missing("contract", own.contract_id, rows, "CONTRACTID")]
        kind = _text(row, "CONTRACTTYPEID")
        findings = [self._validity(row)]
        if kind and kind != own.contract_type:
            what = f"is of type {kind}, and traffic = {own.traffic} means type {own.contract_type}"
            findings.append(CheckFinding(False, f"Contract {own.contract_id} {what}."))
        return findings

    def _validity(self, row: codec.Reply) -> CheckFinding:
        named = f"Contract {self._own.contract_id}"
        start, end = _day(_text(row, "STARTVALIDDATE")), _day(_text(row, "ENDVALIDDATED"))  # spelled so (V2)
        if end is None:
            return CheckFinding(
                False, f"{named} has an unreadable end date: {_text(row, 'ENDVALIDDATED')!r}."
            )
        if start is not None and self._today < start:
            return CheckFinding(False, f"{named} begins on {start:%d-%m-%Y} only.")
        if self._today > end:
            return CheckFinding(False, f"{named} ended on {end:%d-%m-%Y}: have it renewed.")
        return CheckFinding(True, f"{named} is valid until {end:%d-%m-%Y}.")

    async def _label(self) -> Sequence[CheckFinding]:
        own = self._own
        filters = {"ADSERID": self._adser_id, "CONTRACTID": own.contract_id}
        rows = await self._rows("get_label", "LABELDETAIL", **filters)
        row = _row(rows, "LABELID", own.label_id)
        if row is None:
            return [_missing("label", own.label_id, rows, "LABELID")]
        label = _text(row, "LABEL")
        if label.casefold() != own.label.casefold():
            return [
                CheckFinding(
                    False, f"Label {own.label_id} is {label} at VNPT, and {own.label} in the settings."
                )
            ]
        return [CheckFinding(True, f"Label {own.label_id} is {label}.")]

    async def _templates(self) -> Sequence[CheckFinding]:
        rows = await self._rows("get_template", "TEMPLATEDETAIL", LABELID=self._own.label_id)
        return [_compare(template, rows) for template in self._own.templates]

    async def _balance(self) -> Sequence[CheckFinding]:
        own = self._own
        filters = {"CONTRACTID": own.contract_id, "PACKAGEID": own.package_id}
        rows = await self._rows("get_prepaid_orders", "DATA", **filters)
        if not rows:
            return [CheckFinding(True, "VNPT lists no package that is paid in advance.")]
        return [_balance_finding(_text(row, "PACKAGE_ID"), _text(row, "BALANCE")) for row in rows]


def _text(row: codec.Reply, name: str) -> str:
    """Return a field as one short line. Numbers are not masked: they are our account's."""
    value = row.get(name, "")
    text = str(value) if isinstance(value, str | int) else ""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:80]


def _row(rows: Sequence[codec.Reply], name: str, value: str) -> codec.Reply | None:
    return next((row for row in rows if _text(row, name) == value), None)


def _missing(what: str, value: str, rows: Sequence[codec.Reply], name: str) -> CheckFinding:
    listed = ", ".join(_text(row, name) for row in rows) or "none"
    return CheckFinding(False, f"VNPT does not list {what} {value}; it lists: {listed}.")


def _day(text: str) -> date | None:
    for form in _DAYS:
        try:
            return datetime.strptime(text[:10], form).date()  # noqa: DTZ007 - a day, without a time
        except ValueError:
            continue
    return None


def _compare(template: Template, rows: Sequence[codec.Reply]) -> CheckFinding:
    """Compare VNPT's wording and parameter count with the settings."""
    row = _row(rows, "TEMPLATEID", template.id)
    if row is None:
        return _missing("template", template.id, rows, "TEMPLATEID")
    total, content = _text(row, "TOTALPARAM"), str(row.get("TEMPLATECONTENT", ""))
    if total and total != str(template.slots):
        what = f"takes {total} parameters at VNPT, and {template.slots} in the settings"
        return CheckFinding(False, f"Template {template.id} {what}.")
    try:
        theirs = parse(template.id, content)
    except ValueError as error:
        return CheckFinding(False, f"Template {template.id} at VNPT {error}: compare it by hand.")
    if theirs.fixed != template.fixed or theirs.slots != template.slots:
        return CheckFinding(False, f"Template {template.id} reads otherwise at VNPT: {quoted(content)}")
    return CheckFinding(True, f"Template {template.id} reads as in the settings.")


def _balance_finding(package: str, balance: str) -> CheckFinding:
    digits = balance.replace(".", "").replace(",", "")
    named = f"Package {package}" if package else "The package"
    if not digits.isdecimal():
        return CheckFinding(False, f"{named} has an unreadable balance: {balance!r}.")
    return CheckFinding(int(digits) > 0, f"{named} has {int(digits)} left.")

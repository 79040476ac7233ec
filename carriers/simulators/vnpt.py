"""Simulated VNPT SMS Marketing API: send_sms_list, the status calls and the account's lists.

`python -m carriers.simulators.vnpt --help` lists every flag.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element

from carriers.options import VIETNAM
from carriers.simulators.process import run
from carriers.simulators.randomness import fits, flag
from carriers.simulators.web import (
    NOT_FOUND,
    SimulatedReply,
    SimulatedRequest,
    WebBehaviour,
    WebMessage,
    WebSimulator,
)
from carriers.text import segments
from carriers.vnpt.hours import read_blocked
from carriers.xml import Markup, child_text, children, document, local_name, read_xml, write

# The holders of ranges by VNPT's numbering; 87 (Itel) has none.
PREFIXES = {
    "1": "91 94 88 81 82 83 84 85",
    "2": "90 93 89 70 76 77 78 79",
    "3": "98 97 96 86 32 33 34 35 36 37 38 39",
    "4": "99 59",
    "5": "92 52 56 58",
}
HOLDERS = {prefix: network for network, all_of_it in PREFIXES.items() for prefix in all_of_it.split()}
PATHS = ("/smsbn/api", "/smsmarketing/api")
SEND = "send_sms_list"
STATUS = ("get_sms_status_api", "get_sms_status", "get_sms_status_web")
JSON, XML = "application/json; charset=UTF-8", "text/xml;charset=UTF-8"
DAY = "%d-%m-%Y"
QC = "2"
ADSER, CONTRACT, LABEL, TEMPLATE = "500", "70001", "900101", "800123"  # the ids of the account's lists
LONGEST = 640
SLOT = re.compile(r"\{(?:[A-D] *, *([0-9]+)|P[0-9]+)\}")
KEPT_LISTS = 1000
Refusal = tuple[str, str]  # code and words
Value = str | int | Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class VnptBehaviour(WebBehaviour):
    """The common behaviour and VNPT's own."""

    traffic: str = flag("", "the CONTRACTTYPEID of the template: 1 CSKH, 2 QC ('': any)")
    label: str = flag("CONGAN", "the sender ID of the label")
    template: str = flag("{D,1000}", "the template's content; {D,n} or {P1} are its parameters")
    registered: str = flag("", "the only text accepted, such as CONGAN: {D,160} ('': any); others get code 7")
    inactive: bool = flag(False, "the label is inactive: code 14")
    expired: bool = flag(False, "the label's registration has expired: code 29")
    keyword: str = flag("", "a forbidden word: code 30")
    ported: str = flag("", "endings of numbers with the network that serves them, such as 07=3,13=2: code 25")
    quota: int = flag(0, "segments until the package is used up, then code 22 (0: no limit)")
    blocked_hours: str = flag("-800 1130-1300 1830-2000 2100-", "hours in which QC is refused with code 8")
    per_day: int = flag(3, "QC requests for one number per day; further ones get code 26")
    error_as_number: bool = flag(False, "codes are numbers instead of strings")
    success: str = flag("success", "ERROR_DESC of accepted messages; real answers also have Success")
    clock: str = flag("", "the time in Vietnam at the start, such as 2024-01-29T09:30 ('': the machine's)")
    stage_s: float = flag(0.0, "seconds from one status to the next: 5, 2, then 3 for QC, then 0 or 1")

    def __post_init__(self) -> None:
        WebBehaviour.__post_init__(self)
        if self.clock:
            datetime.fromisoformat(self.clock)
        networks(self)


def networks(behaviour: VnptBehaviour) -> Mapping[str, str]:
    """Return ending of a ported number -> the id of its network."""
    pairs = [item.partition("=") for item in filter(None, behaviour.ported.replace(" ", "").split(","))]
    strange = next((item for item in pairs if item[2] not in PREFIXES), None)
    if strange is not None:
        raise ValueError(f"ported: {''.join(strange)!r} must be ENDING=NETWORK, with a network of 1 to 5")
    return {ending: network for ending, _, network in pairs}


@dataclass(frozen=True, slots=True)
class Request:
    """One operation: its fields as text, and PARAMS by their numbers."""

    operation: str
    fields: Mapping[str, str]
    params: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")


def read(body: bytes, kind: str) -> Request | None:
    """Parse the request; None if it can't be, such as XML with a bare ampersand."""
    try:
        return _read_xml(read_xml(body)) if kind == XML else _read_json(json.loads(body))
    except (ValueError, RecursionError):
        return None


def _read_xml(root: Element) -> Request | None:
    if local_name(root) != "RQST":
        return None
    fields = {local_name(each): (each.text or "").strip() for each in root if not len(each)}
    params = {child_text(each, "NUM"): child_text(each, "CONTENT") for each in children(root, "PARAMS")}
    return Request(root.get("name") or fields.get("name", ""), fields, params)


def _read_json(whole: Any) -> Request | None:
    found = whole.get("RQST") if isinstance(whole, dict) else None
    if not isinstance(found, dict):
        return None
    fields = {name: value for name, value in found.items() if isinstance(value, str)}
    params = found.get("PARAMS", [])
    pairs = [each for each in params if isinstance(each, dict)] if isinstance(params, list) else []
    numbered = {str(each.get("NUM", "")): str(each.get("CONTENT", "")) for each in pairs}
    return Request(fields.get("name", ""), fields, numbered)


def say(kind: str, operation: str, fields: Mapping[str, Value], code: str) -> SimulatedReply:
    """Return RPLY with these fields; `code` is what the report counts."""
    if kind == JSON:
        text = json.dumps({"RPLY": {"name": operation, **fields}}, ensure_ascii=False)
        return SimulatedReply(text.encode(), code, content_type=JSON)
    inside = [write(name, each) for name, value in fields.items() for each in _elements(value)]
    reply = document(write("RPLY", *inside, attributes={"name": operation}))
    return SimulatedReply(reply, code, content_type=XML)


def _elements(value: Value) -> Sequence[str]:
    if isinstance(value, str | int):
        return [str(value)]
    return [Markup("".join(write(name, text) for name, text in row.items())) for row in value]


@dataclass(frozen=True, slots=True)
class Taken:
    """One message by the carrier's own clock."""

    message: WebMessage
    at: datetime
    is_qc: bool


class Vnpt(WebSimulator):
    """VNPT's SMS Marketing API."""

    name = "vnpt"
    port_by_default = 8888
    path = PATHS[0]
    behaviour_type = VnptBehaviour

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._taken: dict[tuple[str, str], list[Taken]] = {}  # by REQID and number
        self._today: Counter[tuple[str, date]] = Counter()  # QC requests by number and day
        self._used = 0  # segments of the package
        self._started, self._ahead = datetime.now(VIETNAM), timedelta()
        self.lists: deque[Sequence[str]] = deque(maxlen=KEPT_LISTS)  # the numbers of the last, taken or not

    def now(self) -> datetime:
        """Return the carrier's time, in Vietnam."""
        machine, start = datetime.now(VIETNAM), self.behaviour.clock
        begun = datetime.fromisoformat(start).replace(tzinfo=VIETNAM) if start else self._started
        return begun + (machine - self._started) + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    def handle(self, call: SimulatedRequest) -> SimulatedReply:
        if call.path not in PATHS:
            return NOT_FOUND
        is_xml = call.body.lstrip().startswith(b"<") or "xml" in call.headers.get("content-type", "")
        kind = XML if is_xml else JSON
        request = read(call.body, kind)
        if request is None:
            return self._say(kind, SEND, ("-1", "exception"))
        is_welcome = self.is_welcome(request["APIUSER"], request["APIPASS"])
        if request.operation in STATUS:
            return self._status(kind, request, is_welcome)
        if not is_welcome:
            words = "user, pass, ip, status khong hop le, ip=127.0.0.1"  # all callers are on this machine
            return self._say(kind, request.operation, ("1", words))
        if request.operation == SEND:
            return self._say(kind, SEND, self._send(call, request) or ("0", self.behaviour.success))
        return self._list(kind, request)

    def _say(self, kind: str, operation: str, answer: Refusal) -> SimulatedReply:
        code, words = answer
        return say(kind, operation, {"ERROR": self._code(code), "ERROR_DESC": words}, code)

    def _code(self, code: str) -> str | int:
        return int(code) if self.behaviour.error_as_number else code

    # Lists

    def _send(self, call: SimulatedRequest, request: Request) -> Refusal | None:
        phones, numbers = request["MOBILELIST"].split(","), iter(range(1, len(request.params) + 1))
        text = SLOT.sub(lambda _: request.params.get(str(next(numbers, 0)), ""), self.behaviour.template)
        self.lists.append(phones)
        rules = self._rules(request, phones, text)
        refusal = next(((code, words) for is_broken, code, words in rules if is_broken), None)
        if refusal is not None:
            self.refuse(len(phones))
            return refusal
        if self.is_too_fast(len(phones)):
            return "16", "vuot qua toc do gui tin"
        self._used += segments(text) * len(phones)
        now, is_qc = self.now(), request["CONTRACTTYPEID"] == QC
        for phone in phones:  # as often as it comes: tests look for copies
            message = self.take(call, phone, text, self.behaviour.label, request["REQID"])
            self._taken.setdefault((request["REQID"], phone), []).append(Taken(message, now, is_qc))
            self._today[phone, now.date()] += is_qc
        return None

    def _rules(self, request: Request, phones: Sequence[str], text: str) -> Iterator[tuple[bool, str, str]]:
        """Yield what a list is refused for: codes as documented, in an order that is not."""
        own, now, params, is_qc = self.behaviour, self.now(), request.params, request["CONTRACTTYPEID"] == QC
        longest = [int(found or 1000) for found in SLOT.findall(own.template)]
        wanted = [str(number) for number in range(1, max(1, len(longest)) + 1)]
        yield list(params) != wanted, "7", "template khong hop le"
        yield not fits(own.registered, text), "7", "template khong hop le"
        yield own.inactive, "14", "label khong hop le"
        yield own.expired, "29", "brandname het han"
        yield bool(own.keyword) and own.keyword in text, "30", "noi dung co tu khoa bi cam"
        too_long = any(len(value) > most for value, most in zip(params.values(), longest, strict=False))
        yield too_long, "28", "do dai tham so khong hop le"
        unknown = request["CONTRACTTYPEID"] not in set(own.traffic or "12")
        yield unknown, "9", "loai hop dong khong hop le"
        yield request["SCHEDULETIME"] != "", "2", "thoi gian dat lich khong dung dinh dang"
        wrong = any(not re.fullmatch("84[0-9]{9}", each) or self.is_refused(each) for each in phones)
        mixed = len({HOLDERS.get(each[2:4], each[2:4]) for each in phones}) > 1
        yield wrong or mixed, "23", "danh sach so co nhieu mang hoac so khong hop le"
        served = networks(own).items()
        ported = next((network for each in phones for end, network in served if each.endswith(end)), "")
        yield ported != "", "25", f"wrong network; right network = [{ported}]; label not declared"
        yield request["ENCRYPTED"] == "1", "35", "ENCRYPTED khong duoc phep"
        coding, is_own = request["DATACODING"] or "0", HOLDERS.get(phones[0][2:4]) == "1"
        is_readable = (coding == "0" and text.isascii()) or (coding == "8" and is_own)
        yield not is_readable, "17", "dinh dang ky tu khong hop le"
        yield not 0 < len(text) <= LONGEST, "11", "do dai tin nhan khong hop le"
        yield 0 < own.quota < self._used + segments(text) * len(phones), "22", "het quota agent"
        blocked = is_qc and read_blocked(own.blocked_hours).at(now)
        yield blocked, "8", f"ngoai gio cho phep: {own.blocked_hours}"
        most = is_qc and any(self._today[each, now.date()] >= own.per_day for each in phones)
        yield most, "26", f"thue bao da nhan du {own.per_day} tin quang cao trong ngay"

    # Statuses

    def _status(self, kind: str, request: Request, is_welcome: bool) -> SimulatedReply:
        found = self._find(request) if is_welcome else None
        code = self._stage(found) if is_welcome else "10"
        parts = found.message.segments if found and code == "0" else 0
        fields: dict[str, Value] = {"STATUS": self._code(code), "MT_COUNT": str(parts)}
        return say(kind, request.operation, fields, f"status {code}")

    def _find(self, request: Request) -> Taken | None:
        """Find by the number if the query names one, else by the request alone."""
        name, phone = request["REQID"], request["MSISND"]
        if phone:
            found = self._taken.get((name, phone), [])
            return next((each for each in found if request["SCHEDULETIME"] == each.at.strftime(DAY)), None)
        return next((each[0] for (other, _), each in self._taken.items() if other == name), None)

    def _stage(self, entry: Taken | None) -> str:
        """Return the status now: 5, 2, then 3 for QC, then 0 or 1; unreported ones stop before that."""
        if entry is None:
            return "-1"
        steps = ["5", "2", "3"] if entry.is_qc else ["5", "2"]
        if entry.message.reporting.times:
            steps.append("0" if entry.message.outcome.status in ("DELIVRD", "SENT") else "1")
        stage_s = self.behaviour.stage_s
        passed = (self.now() - entry.at).total_seconds() / stage_s if stage_s else len(steps)
        return steps[min(int(passed), len(steps) - 1)]

    # The account

    def _list(self, kind: str, request: Request) -> SimulatedReply:
        own, operation = self.behaviour, request.operation
        contract = {"CONTRACTID": CONTRACT, "CONTRACTNUMBER": "01/HD", "STARTVALIDDATE": "01-01-2020"}
        contract |= {"ENDVALIDDATED": "31-12-2030", "CONTRACTTYPEID": own.traffic or "1"}
        template = {"TEMPLATEID": TEMPLATE, "TEMPLATETYPE": "1", "TEMPLATECONTENT": own.template}
        template["TOTALPARAM"] = str(len(SLOT.findall(own.template)))
        package = {"PACKAGE_ID": request["PACKAGEID"] or "1", "BALANCE": str(max(0, own.quota - self._used))}
        rows = {
            "get_adser": ("ADSERDETAIL", {"ADSERID": ADSER, "ADSERNAME": "Cong an tinh"}, True),
            "get_contract": ("CONTRACTDETAIL", contract, request["ADSERID"] == ADSER),
            "get_label": (
                "LABELDETAIL",
                {"LABELID": LABEL, "LABEL": own.label, "DISPLAYNUMBER": ""},
                request["ADSERID"] == ADSER,
            ),
            "get_template": ("TEMPLATEDETAIL", template, True),
            "get_prepaid_orders": ("DATA", package, own.quota > 0),
        }
        if operation not in rows:
            return self._say(kind, operation, ("3", "method id khong hop le"))
        name, row, is_there = rows[operation]
        fields: dict[str, Value] = {"ERROR": self._code("0"), "ERROR_DESC": own.success}
        return say(kind, operation, fields | {name: [row] if is_there else []}, operation)


if __name__ == "__main__":
    raise SystemExit(run(Vnpt))

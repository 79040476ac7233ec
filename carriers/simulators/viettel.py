"""Simulated Viettel web service (CcApi): submits, statuses, failures, reports and the account.

`python -m carriers.simulators.viettel --help` lists every flag.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element

from carriers.options import VIETNAM
from carriers.simulators.process import run
from carriers.simulators.randomness import fits, flag, one_of, unit
from carriers.simulators.web import (
    NOT_FOUND,
    SimulatedReply,
    SimulatedRequest,
    WebBehaviour,
    WebMessage,
    WebSimulator,
)
from carriers.text import segments
from carriers.xml import Markup, XmlError, child, child_text, children, document, local_name, read_xml, write

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
SERVICE = "http://impl.bulkSms.ws/"
XML = "text/xml;charset=utf-8"
# Prefixes after 84 since the plan of 2018; a number that was ported has another network.
PREFIXES = {
    "VT": "98 97 96 86 32 33 34 35 36 37 38 39",
    "VN": "91 94 88 81 82 83 84 85",
    "MB": "90 93 89 70 76 77 78 79",
    "VM": "92 52 56 58",
}
_BY_PREFIX = {prefix: telco for telco, prefixes in PREFIXES.items() for prefix in prefixes.split()}
FAILED = ("UNDELIV", "EXPIRED", "REJECTD")
COUNTS: tuple[str, ...] = ("sumMT", "mtSent", "mtSentVt", "mtSentOut", "mtError", "mtErrorAlias", "mtFailure")
COUNTS += ("smsSent", "smsSentVt", "smsSentOut")
TAKEN = "Insert MT_QUEUE: OK"
COMMAND, MAX_BYTES = "bulksms", 480
# No dlrStatus is evidenced; these are made up.
STATUSES = {"": 0, "DELIVRD": 1, "UNDELIV": 2, "EXPIRED": 3, "REJECTD": 4, "SENT": 5, "UNKNOWN": 6}
DAY = "%d/%m/%Y"
_FIRST_ID = 1_000_000
_BALANCE = {"xmlns:ns3": "http://smsbrand.viettel.com/"}


@dataclass(frozen=True, slots=True)
class ViettelBehaviour(WebBehaviour):
    """The common behaviour and Viettel's own; all operations share one path, so troubles hit any."""

    cp_code: str = flag("", "the only CPCode accepted ('': any)")
    seen_ip: str = flag("127.0.0.1", "the caller's address, as getIp shows it")
    balance: int = flag(1_000_000_000, "balance at the start, for checkBalance; each segment costs 1")
    senders: str = flag(
        "", "sender IDs of each network, such as VT=CONGAN|CA SONLA,VN=CONGAN ('': any, in all)"
    )
    registered: str = flag("", "the only text accepted, such as CONGAN: {D,160} ('': any)")
    blacklist: str = flag("", "a forbidden word")
    ported: str = flag("", "endings of numbers with the network that serves them, such as 07=VN,13=MB")
    duplicate_min: float = flag(5.0, "minutes in which the same text to the same number is a duplicate")
    too_fast: str = flag(
        "", "words that refuse a throttled submit ('': HTTP 429; Viettel's own words are unknown)"
    )
    fault: float = flag(0.0, "share of submits answered with S:Fault")
    fault_code: str = flag(
        "S:Server", "the fault's faultcode; S:Client refuses the messages, S:Server accepts them anyway"
    )
    dlr_id_in: str = flag("result", "where wsCpMtRegDlr gives its id: result or message")
    details_missing: float = flag(0.0, "share of a list's messages that the answer omits")

    def __post_init__(self) -> None:
        WebBehaviour.__post_init__(self)
        one_of("fault_code", self.fault_code, ("S:Server", "S:Client"))
        one_of("dlr_id_in", self.dlr_id_in, ("result", "message"))
        for telco in (*ported_to(self.ported).values(), *declared(self.senders)):
            one_of("ported and senders", telco, PREFIXES)


@lru_cache(maxsize=16)
def ported_to(ported: str) -> Mapping[str, str]:
    """Return ending of a ported number -> the network that serves it."""
    pairs = (item.partition("=") for item in filter(None, ported.replace(" ", "").split(",")))
    return {ending: telco for ending, _, telco in pairs}


@lru_cache(maxsize=16)
def declared(senders: str) -> Mapping[str, frozenset[str]]:
    """Return network -> the sender IDs registered there; empty if any is accepted everywhere."""
    pairs = (item.partition("=") for item in filter(None, senders.split(",")))
    return {telco.strip(): frozenset(map(str.strip, names.split("|"))) for telco, _, names in pairs}


@dataclass(frozen=True, slots=True)
class Call:
    """One called operation."""

    operation: str
    element: Element

    def __getitem__(self, name: str) -> str:
        """Return the text of an argument; "" if missing: all are optional in the schema."""
        return child_text(self.element, name)


def read_call(body: bytes) -> Call | None:
    """Return the operation of an envelope, None if there is none; XmlError for invalid XML."""
    root = read_xml(body)
    inside = child(root, "Body") if local_name(root) == "Envelope" else None
    if inside is None or len(inside) != 1:
        return None
    return Call(local_name(inside[0]), inside[0])


def tags(**values: object) -> list[Markup]:
    return [write(name, str(value)) for name, value in values.items()]


def respond(call: Call, code: str, *inside: Markup) -> SimulatedReply:
    """Return the operation's response; `code` is what the report counts."""
    name = f"ns2:{call.operation}Response"
    response = write(name, *inside, attributes={"xmlns:ns2": SERVICE})
    return SimulatedReply(_envelope(response), code, content_type=XML)


def fault(code: str, words: str) -> SimulatedReply:
    """Return S:Fault, with HTTP 500 as SOAP 1.1 requires."""
    inside = write("S:Fault", *tags(faultcode=code, faultstring=words))
    return SimulatedReply(_envelope(inside), f"fault {code}", 500, XML)


def _envelope(inside: Markup) -> bytes:
    return document(write("S:Envelope", write("S:Body", inside), attributes={"xmlns:S": ENVELOPE}))


@dataclass(frozen=True, slots=True)
class Mt:
    """One message of a call."""

    request_id: str
    user_id: str
    receiver: str
    sender: str
    command: str
    content: str
    msg_id: str = ""


class Viettel(WebSimulator):
    """Viettel's bulk SMS web service (CcApi)."""

    name = "viettel"
    port_by_default = 8998
    path = "/bulkapi"
    behaviour_type = ViettelBehaviour

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._refusals: list[tuple[str, datetime, str]] = []  # sender, time and words
        self._taken_s: dict[Mt, float] = {}  # to detect duplicates
        self._named: dict[str, WebMessage] = {}  # by msgId, or by the id that wsCpMtRegDlr gave
        self._used = self._listed = 0
        self._operations: Mapping[str, Callable[[SimulatedRequest, Call], SimulatedReply]] = {
            "wsCpMt": self._one,
            "wsCpMtRegDlr": self._one,
            "wsCpMt4": self._list,
            "getDlrStatus": self._statuses,
            "getFailSub": self._failures,
            "wsReportHour": self._report,
            "wsReportDaily": self._report,
            "checkBalance": self._balance,
            "wsGetCpCode": self._names,
            "getIp": lambda _, call: respond(call, "ip", *tags(**{"return": self.behaviour.seen_ip})),
        }

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        if request.path != self.path:
            return NOT_FOUND
        try:
            call = read_call(request.body)
        except XmlError:
            return fault("S:Client", "Couldn't create SOAP message due to exception: XML reader error")
        if call is None or call.operation not in self._operations:
            return fault("S:Client", "Cannot find dispatch method for the request")
        return self._operations[call.operation](request, call)

    # Submits

    def _one(self, request: SimulatedRequest, call: Call) -> SimulatedReply:
        fields = ("RequestID", "UserID", "ReceiverID", "ServiceID", "CommandCode", "Content")
        mt = Mt(*(call[name] for name in fields))
        refused = self._refuse_call(call, [mt])
        if refused is not None:
            return refused
        words, message = self._submit(request, mt)
        result = int(message is not None)
        if message is not None and call.operation == "wsCpMtRegDlr":
            number = _FIRST_ID + message.index
            self._named[str(number)] = message
            in_result = self.behaviour.dlr_id_in == "result"
            words, result = (words, number) if in_result else (f"{words}, messageId={number}", 1)
        return self._draw_fault("S:Server") or self._say(call, words, result)

    def _list(self, request: SimulatedRequest, call: Call) -> SimulatedReply:
        mts = list(_messages(call))
        refused = self._refuse_call(call, mts)
        if refused is not None:
            return refused
        details = [detail for mt in mts if (detail := self._detail(mt, *self._submit(request, mt)))]
        return self._draw_fault("S:Server") or self._say(call, TAKEN, 1, *details)

    def _caller_refusal(
        self, call: Call, names: tuple[str, str, str] = ("User", "Password", "CPCode")
    ) -> str:
        """Return why the caller is refused; "" if it is not."""
        user, password, cp_code = (call[name] for name in names)
        for value, name in ((cp_code, "Cp_code"), (user, "UserName"), (password, "Password")):
            if not value:
                return f"Authenticate: {name}: NULL_OR_BLANK"
        if self.behaviour.cp_code not in ("", cp_code):
            return "Authenticate: CP_CODE_NOT_FOUND"
        return "" if self.is_welcome(user, password) else "Authenticate: WRONG_INFORMATION_AUTHENTICATE"

    def _refuse_call(self, call: Call, mts: Sequence[Mt]) -> SimulatedReply | None:
        """Return the answer to a call of which nothing is taken, if so."""
        words = self._caller_refusal(call)
        if words:
            return self._say(call, words, 0)
        drawn_fault = self._draw_fault("S:Client")
        if drawn_fault is not None or not self.is_too_fast(len(mts)):
            return drawn_fault
        if self.behaviour.too_fast:
            return self._say(call, self.behaviour.too_fast, 0)
        return SimulatedReply(b"", "http 429", 429, headers=(("retry-after", "1"),))

    def _draw_fault(self, code: str) -> SimulatedReply | None:
        behaviour = self.behaviour
        drawn = unit(behaviour.seed, 9, self.tally.requests) < behaviour.fault
        is_due = drawn and behaviour.fault_code == code
        return fault(code, "java.lang.NullPointerException") if is_due else None

    def _submit(self, request: SimulatedRequest, mt: Mt) -> tuple[str, WebMessage | None]:
        """Return the message text of the answer, and the message if it was taken."""
        words = next((words for is_broken, words in self._rules(mt) if is_broken), "")
        if words:
            self.refuse()
            self._refusals.append((mt.sender, datetime.now(VIETNAM), words))
            return words, None
        self._taken_s[_same(mt)] = self.last_heard_s
        message = self.take(request, mt.receiver, mt.content, mt.sender, mt.msg_id)
        self._used += message.segments
        self._named[mt.msg_id] = message
        return TAKEN, message

    def _rules(self, mt: Mt) -> Iterator[tuple[bool, str]]:
        """Yield what a message is refused for, in the order and with the messages of Viettel's error list."""
        behaviour, telco, length = self.behaviour, self._telco(mt.receiver), len(mt.content.encode())
        since_s = self.last_heard_s - self._taken_s.get(_same(mt), -1e9)
        names = declared(behaviour.senders)
        unregistered = not mt.sender or (bool(names) and mt.sender not in names.get(telco, ()))
        yield not mt.request_id, "Check RequestID: NULL_OR_BLANK"
        yield not mt.request_id.isdecimal(), "Check RequestID: REQUEST_ID_NOT_NUMBER"
        yield not mt.user_id, "Check UserID: NULL_OR_BLANK"
        yield not mt.receiver, "Check ReceiverID: NULL_OR_BLANK"
        yield not mt.receiver.isdecimal() or self.is_refused(mt.receiver), "Check ReceiverID: FORMAT_ERROR"
        yield not re.fullmatch(r"84\d{9}", mt.receiver), "Length of ReceiverID is invalid."
        yield mt.user_id != mt.receiver, "UserID_NOT_EQUAL_ReceiverID"
        yield not telco, "Unable to check telco from input receiver"
        yield since_s < behaviour.duplicate_min * 60, "Check ServiceID: DUPLICATE MESSAGE"
        yield unregistered, f"Check ServiceID: ALIAS_INVALID:TELCO={telco}"
        yield not mt.command, "Check CommandCode: NULL_OR_BLANK"
        yield mt.command != COMMAND, "Check CommandCode: COMMAND_CODE_ERROR"
        yield not mt.content, "Check Content: NULL_OR_BLANK"
        limit = f"MAXLENGTH_LIMIT_{MAX_BYTES}_BYTE (YOUR_CONTENT: {length} BYTE)"
        yield length > MAX_BYTES, f"Check Content: {limit}"
        forbidden = bool(behaviour.blacklist) and behaviour.blacklist in mt.content
        yield forbidden, "Check Content: MSG_ERROR_CONTAIN_BLACKLIST"
        yield not fits(behaviour.registered, mt.content), "Check template: CONTENT_NOT_MATCH_TEMPLATE"
        yield self._left() < segments(mt.content), "BALANCE_NOT_ENOUGH"  # the real words are not evidenced

    def _telco(self, phone: str) -> str:
        found = (telco for end, telco in ported_to(self.behaviour.ported).items() if phone.endswith(end))
        return next(found, _BY_PREFIX.get(phone[2:4], ""))

    def _detail(self, mt: Mt, words: str, message: WebMessage | None) -> Markup | None:
        self._listed += 1
        if unit(self.behaviour.seed, 10, self._listed) < self.behaviour.details_missing:
            return None
        result = int(message is not None)
        return write("details", *tags(message=words, msgId=mt.msg_id, receiver=mt.receiver, result=result))

    def _say(self, call: Call, words: str, result: int, *details: Markup) -> SimulatedReply:
        return respond(call, words, write("return", *details, *tags(message=words, result=result)))

    def _left(self) -> int:
        return int(self.behaviour.balance) - self._used

    # Later queries

    def _statuses(self, _: SimulatedRequest, call: Call) -> SimulatedReply:
        words = self._caller_refusal(call)
        names = [] if words else [name.strip() for name in call["MessageIds"].split(",")]
        details = [
            write("details", *tags(dlrStatus=STATUSES[self._named[name].status], messageId=name))
            for name in names
            if name in self._named
        ]
        return self._say(call, words or "OK", int(not words), *details)

    def _failures(self, _: SimulatedRequest, call: Call) -> SimulatedReply:
        words, rows = self._caller_refusal(call, ("username", "password", "cpCode")), []
        try:
            rows = [] if words else self._failed(call)
        except ValueError:
            words = "date, pageNumber or pageSize is invalid"
        said = tags(errorCode=int(bool(words)), message=words or "OK")
        pairs = [(each.phone, f"{each.status}/{each.outcome.error}") for each in rows]
        results = [write("result", attributes={"receiver": a, "message": b}) for a, b in pairs]
        return respond(call, words or "failures", write("return", *said, *results))

    def _failed(self, call: Call) -> list[WebMessage]:
        """Return one page, from 1, of a brand's day; ValueError for an invalid date or number."""
        day = datetime.strptime(call["date"], DAY).replace(tzinfo=VIETNAM).date()
        page, size = int(call["pageNumber"]) - 1, int(call["pageSize"])
        if page < 0 or size < 1:
            raise ValueError("there is no such page")
        own = (each for each in self.messages if each.status in FAILED and each.sender == call["alias"])
        found = [each for each in own if each.taken_at.astimezone(VIETNAM).date() == day]
        return found[page * size : (page + 1) * size]

    def _report(self, _: SimulatedRequest, call: Call) -> SimulatedReply:
        words = self._caller_refusal(call)
        if words:
            return self._say(call, words, 0)
        name, form, wanted = "reportDate", DAY, list(_days(call))
        if call.operation == "wsReportHour":
            name, form, wanted = "reportHour", f"{DAY} %H", [call["timeReport"]]
        totals: dict[tuple[str, str], Counter[str]] = {}
        for sender, at, counts in self._counts():
            totals.setdefault((sender, at.strftime(form)), Counter()).update(counts)
        rows = []
        for (brand, when), total in totals.items():
            if when in wanted:
                head = {"cpAlias": brand, "cpCode": call["CPCode"], "cpId": 1, "message": "OK", "result": 1}
                figures = {each: total[each] for each in COUNTS}
                rows.append(write("return", *tags(**head, **figures, **{name: when})))
        return respond(call, "report", *rows)

    def _counts(self) -> Iterator[tuple[str, datetime, Mapping[str, int]]]:
        """Yield sender, time and what it counts for of every message; Vt is on-net, Out off-net."""
        for message in self.messages:
            where = "Vt" if self._telco(message.phone) == "VT" else "Out"
            counts = {"sumMT": 1, "mtSent": 1, f"mtSent{where}": 1, "smsSent": message.segments}
            counts |= {f"smsSent{where}": message.segments, "mtFailure": int(message.status in FAILED)}
            yield message.sender, message.taken_at.astimezone(VIETNAM), counts
        for sender, at, words in self._refusals:
            yield sender, at, {"sumMT": 1, "mtError": 1, "mtErrorAlias": int("ALIAS_INVALID" in words)}

    # The account

    def _balance(self, _: SimulatedRequest, call: Call) -> SimulatedReply:
        words = self._caller_refusal(call)
        said = {"ns3:balance": self._left()} if not words else {}
        more = {"ns3:errCode": int(bool(words)), "ns3:errDesc": words or "OK"}
        return respond(call, words or "balance", write("return", *tags(**said, **more), attributes=_BALANCE))

    def _names(self, _: SimulatedRequest, call: Call) -> SimulatedReply:
        if self._caller_refusal(call):
            return respond(call, "no such tax code")
        names: Iterable[str] = {name for found in declared(self.behaviour.senders).values() for name in found}
        names = names or {message.sender for message in self.messages}
        said = [write("alias", name) for name in sorted(names)]
        return respond(call, "names", write("return", *said, *tags(cpCode=call["CPCode"])))


def _same(mt: Mt) -> Mt:
    """Return what a duplicate of this message has in common with it."""
    return Mt("", "", mt.receiver, mt.sender, "", mt.content)


def _messages(call: Call) -> Iterator[Mt]:
    for each in children(call.element, "Msg"):
        text, msg_id, receiver = (child_text(each, name) for name in ("message", "msgId", "receiver"))
        head = (call["RequestID"], receiver, receiver, call["ServiceID"], call["CommandCode"])
        yield Mt(*head, text, msg_id)


def _days(call: Call) -> Iterator[str]:
    """Yield every day that is asked for; none if a date is invalid."""
    try:
        first, last = (
            datetime.strptime(call[name], DAY).replace(tzinfo=VIETNAM) for name in ("startDate", "endDate")
        )
    except ValueError:
        return
    for day in range((last - first).days + 1):
        yield (first + timedelta(days=day)).strftime(DAY)


if __name__ == "__main__":
    raise SystemExit(run(Viettel))

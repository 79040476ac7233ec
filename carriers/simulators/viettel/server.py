"""The simulated Viettel server: CcApi's operations, following its error list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self

from carriers.options import VIETNAM
from carriers.simulators.randomness import unit
from carriers.simulators.viettel.behaviour import DATES, ViettelBehaviour, declared
from carriers.simulators.viettel.operations import OPERATIONS, wsdl
from carriers.simulators.viettel.rules import Mt, Rules
from carriers.simulators.viettel.soap import XML, Call, fault, read_call, respond, tags
from carriers.simulators.web import SimulatedReply, SimulatedRequest, WebMessage, WebSimulator
from carriers.text import segments
from carriers.xml import Markup, XmlError, child_text, children, write

FAILED = ("UNDELIV", "EXPIRED", "REJECTD")
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
Period = tuple[str, str]  # brand, and the day or the hour as it is written


class Refusals:
    """What was refused, by brand and time."""

    def __init__(self) -> None:
        self._each: list[tuple[str, datetime, bool]] = []

    def add(self, sender: str, words: str) -> None:
        self._each.append((sender, datetime.now(VIETNAM), "ALIAS_INVALID" in words))

    def counts(self, period_format: str) -> Iterator[tuple[Period, Mapping[str, int]]]:
        """Yield what each adds to its period; `written` is the period's strftime format."""
        for sender, at, is_alias in self._each:
            yield (
                (sender, at.strftime(period_format)),
                {"sumMT": 1, "mtError": 1, "mtErrorAlias": int(is_alias)},
            )


def totals(
    messages: Iterable[tuple[WebMessage, str]], refusals: Refusals, period_format: str
) -> Mapping[Period, Mapping[str, int]]:
    """Return brand and period -> counts; `messages` come with their networks, Vt on-net, Out off-net."""
    found: dict[Period, Counter[str]] = {}
    for period, counts in [*_taken(messages, period_format), *refusals.counts(period_format)]:
        found.setdefault(period, Counter()).update(counts)
    return found


def _taken(
    messages: Iterable[tuple[WebMessage, str]], period_format: str
) -> Iterator[tuple[Period, Mapping[str, int]]]:
    for message, telco in messages:
        where = "Vt" if telco == "VT" else "Out"
        counts = {
            "sumMT": 1,
            "mtSent": 1,
            f"mtSent{where}": 1,
            "mtFailure": int(message.status in FAILED),
            "smsSent": message.segments,
            f"smsSent{where}": message.segments,
        }
        yield (message.sender, message.taken_at.astimezone(VIETNAM).strftime(period_format)), counts


TAKEN = "Insert MT_QUEUE: OK"
# No dlrStatus is evidenced; these are made up.
STATUSES = {"": 0, "DELIVRD": 1, "UNDELIV": 2, "EXPIRED": 3, "REJECTD": 4, "SENT": 5, "UNKNOWN": 6}
_FIRST_ID = 1_000_000
_SPAN = ("startDate", "endDate")
_BALANCE = {"xmlns:ns3": "http://smsbrand.viettel.com/"}
Handle = Callable[[SimulatedRequest, Call], SimulatedReply]


class Viettel(WebSimulator):
    """Viettel's bulk SMS web service (CcApi)."""

    name = "viettel"
    port_by_default = 8998
    path = "/bulkapi"
    behaviour_type = ViettelBehaviour

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._refusals = Refusals()
        self._named: dict[str, WebMessage] = {}  # by msgId, or by the id that wsCpMtRegDlr gave
        self._used = self._listed = 0
        self._rules: Rules
        self._operations: Mapping[str, Handle] = {
            "wsCpMt": self._one,
            "wsCpMtRegDlr": self._one,
            "wsCpMt4": self._list,
            "getDlrStatus": self._statuses,
            "getFailSub": self._failures,
            "wsReportHour": self._report,
            "wsReportDaily": self._report,
            "checkBalance": self._balance,
            "wsGetCpCode": self._names,
            "getIp": lambda _, call: respond(call, "ip", *tags((("return", self.behaviour.seen_ip),))),
        }

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._rules = Rules(self.state)
        return self

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        if request.path != self.path:
            return SimulatedReply(b"<html><body>HTTP Status 404</body></html>", "http 404", 404, "text/html")
        if request.method == "GET":
            return SimulatedReply(wsdl(self.url), "wsdl", content_type=XML)
        try:
            call = read_call(request.body)
        except XmlError:
            return fault("S:Client", "Couldn't create SOAP message due to exception: XML reader error")
        if call is None or call.operation not in OPERATIONS:
            return fault("S:Client", "Cannot find dispatch method for the request")
        return self._operations[call.operation](request, call)

    def _one(self, request: SimulatedRequest, call: Call) -> SimulatedReply:
        fields = ("RequestID", "UserID", "ReceiverID", "ServiceID", "CommandCode", "Content")
        mt = Mt(*(call[name] for name in fields))
        refused = self._refuse_call(call, [mt])
        if refused is not None:
            return refused
        words, message = self._submit(request, mt)
        result = int(message is not None)
        if message is not None and call.operation == "wsCpMtRegDlr":
            words, result = self._register(message)
        return self._draw_fault("S:Server") or self._say(call, words, result)

    def _list(self, request: SimulatedRequest, call: Call) -> SimulatedReply:
        mts = list(_messages(call))
        refused = self._refuse_call(call, mts)
        if refused is not None:
            return refused
        details = [detail for mt in mts if (detail := self._detail(mt, *self._submit(request, mt)))]
        return self._draw_fault("S:Server") or self._say(call, TAKEN, 1, *details)

    def _refuse_call(self, call: Call, mts: Sequence[Mt]) -> SimulatedReply | None:
        """Return the answer to a call of which nothing is taken, if so."""
        words = self._rules.caller_refusal(call)
        if words:
            return self._say(call, words, 0)
        drawn_fault = self._draw_fault("S:Client")
        if drawn_fault is not None:
            return drawn_fault
        if not self.state.is_too_fast(sum(segments(mt.content) for mt in mts), len(mts)):
            return None
        if self.behaviour.too_fast:
            return self._say(call, self.behaviour.too_fast, 0)
        later = (("retry-after", str(self.behaviour.retry_after_s)),)
        return SimulatedReply(b"", "http 429", 429, headers=later)

    def _draw_fault(self, code: str) -> SimulatedReply | None:
        behaviour = self.behaviour
        drawn = unit(behaviour.seed, 9, self.state.tally.requests) < behaviour.fault
        return (
            fault(code, "java.lang.NullPointerException") if drawn and behaviour.fault_code == code else None
        )

    def _submit(self, request: SimulatedRequest, mt: Mt) -> tuple[str, WebMessage | None]:
        """Return the message text of the answer, and the message if it was taken."""
        words = self._rules.refusal(mt)
        if not words and self._left() < segments(mt.content):
            words = self.behaviour.balance_words
        if words:
            self.state.refuse()
            self._refusals.add(mt.sender, words)
            return words, None
        self._rules.remember(mt)
        message = self.state.take(request, mt.receiver, mt.content, mt.sender, mt.msg_id)
        self._used += message.segments
        self._named[mt.msg_id] = message
        return TAKEN, message

    def _register(self, message: WebMessage) -> tuple[str, int]:
        """Return message text and result that give the message an id."""
        number = _FIRST_ID + message.index
        self._named[str(number)] = message
        return (
            (TAKEN, number) if self.behaviour.dlr_id_in == "result" else (f"{TAKEN}, messageId={number}", 1)
        )

    def _detail(self, mt: Mt, words: str, message: WebMessage | None) -> Markup | None:
        self._listed += 1
        if unit(self.behaviour.seed, 10, self._listed) < self.behaviour.details_missing:
            return None
        said = (("message", words), ("msgId", mt.msg_id), ("receiver", mt.receiver))
        return write("details", *tags((*said, ("result", int(message is not None)))))

    def _say(self, call: Call, words: str, result: int, *details: Markup) -> SimulatedReply:
        said = tags((("message", words), ("result", result)))
        return respond(call, words, write("return", *details, *said))

    def _left(self) -> int:
        return int(self.behaviour.balance) - self._used

    # Later queries

    def _statuses(self, _: SimulatedRequest, call: Call) -> SimulatedReply:
        words = self._rules.caller_refusal(call)
        names = [] if words else [name.strip() for name in call["MessageIds"].split(",")]
        found = [(name, self._named[name]) for name in names if name in self._named]
        details = [
            write("details", *tags((("dlrStatus", STATUSES[message.status]), ("messageId", name))))
            for name, message in found
        ]
        return self._say(call, words or "OK", int(not words), *details)

    def _failures(self, _: SimulatedRequest, call: Call) -> SimulatedReply:
        words = self._rules.caller_refusal(call, ("username", "password", "cpCode"))
        try:
            rows = [] if words else self._failed(call)
        except ValueError:
            words = "date, pageNumber or pageSize is invalid"
            rows = []
        said = tags((("errorCode", int(bool(words))), ("message", words or "OK")))
        results = [
            write(
                "result",
                attributes={"receiver": each.phone, "message": f"{each.status}/{each.outcome.error}"},
            )
            for each in rows
        ]
        return respond(call, words or "failures", write("return", *said, *results))

    def _failed(self, call: Call) -> Sequence[WebMessage]:
        """Return one page of a brand's day; ValueError for an invalid date or number."""
        day = (
            datetime.strptime(call["date"], DATES[self.behaviour.date_format]).replace(tzinfo=VIETNAM).date()
        )
        page, size = int(call["pageNumber"]) - self.behaviour.first_page, int(call["pageSize"])
        if page < 0 or size < 1:
            raise ValueError("there is no such page")
        start = 0 if self.behaviour.pages_ignored else page * size
        found = [
            each
            for each in self.messages
            if each.status in FAILED
            and each.sender == call["alias"]
            and each.taken_at.astimezone(VIETNAM).date() == day
        ]
        return found[start : start + size]

    def _report(self, _: SimulatedRequest, call: Call) -> SimulatedReply:
        words = self._rules.caller_refusal(call)
        if words:
            return self._say(call, words, 0)
        period_format, name = DATES[self.behaviour.date_format], "reportDate"
        if call.operation == "wsReportHour":
            period_format, name = f"{period_format} %H", "reportHour"
        wanted = [call["timeReport"]] if name == "reportHour" else list(_days(call, period_format))
        sent = ((message, self._rules.telco(message.phone)) for message in self.messages)
        rows = [
            self._row(call, period, counts, name)
            for period, counts in totals(sent, self._refusals, period_format).items()
            if period[1] in wanted
        ]
        return respond(call, "report", *rows)

    def _row(self, call: Call, period: tuple[str, str], counts: Mapping[str, int], name: str) -> Markup:
        brand, when = period
        head = (("cpAlias", brand), ("cpCode", call["CPCode"]), ("cpId", 1), ("message", "OK"), ("result", 1))
        figures = ((each, counts.get(each, 0)) for each in COUNTS)
        return write("return", *tags((*head, *figures, (name, when))))

    # The account

    def _balance(self, _: SimulatedRequest, call: Call) -> SimulatedReply:
        words = self._rules.caller_refusal(call)
        said = (("ns3:balance", self._left()),) if not words else ()
        more = (("ns3:errCode", int(bool(words))), ("ns3:errDesc", words or "OK"))
        return respond(call, words or "balance", write("return", *tags((*said, *more)), attributes=_BALANCE))

    def _names(self, _: SimulatedRequest, call: Call) -> SimulatedReply:
        if self._rules.caller_refusal(call) or self.behaviour.tax_code not in ("", call["TaxCode"]):
            return respond(call, "no such tax code")
        names = {name for telco in declared(self.behaviour).values() for name in telco}
        names = names or {message.sender for message in self.messages}
        said = (*(("alias", name) for name in sorted(names)), ("cpCode", call["CPCode"]))
        return respond(call, "names", write("return", *tags(said)))


def _messages(call: Call) -> Iterator[Mt]:
    for each in children(call.element, "Msg"):
        text, msg_id, receiver = (child_text(each, name) for name in ("message", "msgId", "receiver"))
        head = (call["RequestID"], receiver, receiver, call["ServiceID"], call["CommandCode"])
        yield Mt(*head, text, msg_id)


def _days(call: Call, period_format: str) -> Iterator[str]:
    """Yield every day that is asked for; none if a date is invalid."""
    try:
        first, last = (datetime.strptime(call[name], period_format).replace(tzinfo=VIETNAM) for name in _SPAN)
    except ValueError:
        return
    for day in range((last - first).days + 1):
        yield (first + timedelta(days=day)).strftime(period_format)

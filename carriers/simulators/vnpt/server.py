"""The simulated VNPT server: send_sms_list, the status calls and the lists of an account."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from carriers.options import VIETNAM
from carriers.simulators.vnpt import rules
from carriers.simulators.vnpt.behaviour import DAYS, VnptBehaviour
from carriers.simulators.vnpt.codec import Request, Value, kind_of, read, say
from carriers.simulators.vnpt.rules import Case, Refusal
from carriers.simulators.web import SimulatedReply, SimulatedRequest, WebMessage, WebSimulator
from carriers.simulators.web.server import KEPT_REQUESTS

PATHS = ("/smsbn/api", "/smsmarketing/api", "/smsbank/api")
BANK = "/smsbank/api"
SEND = "send_sms_list"
STATUS = ("get_sms_status_api", "get_sms_status", "get_sms_status_web")
EXCEPTION: Refusal = ("-1", "exception")
Rows = Sequence[Mapping[str, str]]


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

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._taken: dict[tuple[str, str], list[Taken]] = {}
        self._names: set[str] = set()  # request ids seen on the bank's path
        self._today: Counter[tuple[str, date]] = Counter()
        self._used = 0
        self._started, self._ahead = datetime.now(VIETNAM), timedelta()
        # The numbers of the last lists, taken or not.
        self.lists: deque[Sequence[str]] = deque(maxlen=KEPT_REQUESTS)
        self._listed: Mapping[str, Callable[[Request], tuple[str, Rows]]] = {
            "get_adser": self._adser,
            "get_contract": self._contract,
            "get_label": self._label,
            "get_template": self._template,
            "get_prepaid_orders": self._orders,
        }

    def now(self) -> datetime:
        """Return the carrier's time, in Viet Nam."""
        machine, start = datetime.now(VIETNAM), self.behaviour.clock
        if not start:
            return machine + self._ahead
        since_start = machine - self._started
        return datetime.fromisoformat(start).replace(tzinfo=VIETNAM) + since_start + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    # Requests

    def handle(self, asked: SimulatedRequest) -> SimulatedReply:
        if asked.path not in PATHS:
            return SimulatedReply(b"<html><body>HTTP Status 404</body></html>", "http 404", 404, "text/html")
        kind, request = kind_of(asked), read(asked)
        if request is None:
            return self._say(kind, SEND, EXCEPTION)
        if request.operation in STATUS:
            return self._status(kind, request)
        if request.operation == SEND:
            return self._say(kind, SEND, self._send(asked, request) or ("0", self.behaviour.success))
        return self._list(kind, request)

    def _say(self, kind: str, operation: str, answer: Refusal) -> SimulatedReply:
        code, words = answer
        return say(kind, operation, {"ERROR": self._code(code), "ERROR_DESC": words}, code)

    def _code(self, code: str) -> str | int:
        return int(code) if self.behaviour.error_as_number else code

    def _case(self, request: Request) -> Case:
        caller = "127.0.0.1"  # all callers are on this machine
        return Case(request, self.behaviour, self.state, self.now(), caller, self._used, self._today)

    def _send(self, asked: SimulatedRequest, request: Request) -> Refusal | None:
        case = self._case(request)
        self.lists.append(case.phones)
        again = asked.path == BANK and request["REQID"] in self._names
        refusal = ("33", "REQID da ton tai") if again else rules.refusal(case)
        if refusal is None:
            self._take(asked, case)
        elif refusal[0] not in ("1", "16"):  # not for unknown callers; throttled ones were counted already
            self.state.refuse(len(case.phones))
        return refusal

    def _take(self, asked: SimulatedRequest, case: Case) -> None:
        """Take every number as often as it comes: tests look for copies."""
        request = case.request
        name = request["REQID"]
        self._used += case.segments
        if asked.path == BANK:
            self._names.add(name)
        for phone in case.phones:
            message = self.state.take(asked, phone, case.text, self.behaviour.label, name)
            self._taken.setdefault((name, phone), []).append(Taken(message, case.now, case.is_qc))
            self._today[phone, case.now.date()] += case.is_qc

    # Statuses

    def _status(self, kind: str, request: Request) -> SimulatedReply:
        refused = rules.account(self._case(request))
        found = None if refused else self._find(request)
        code = "10" if refused else self._stage(found)
        parts = found.message.segments if found and code == "0" else 0
        field = self.behaviour.status_field
        words = (refused[1] if refused else "") if field == "ERROR" else None
        more: dict[str, Value] = {"MT_COUNT": str(parts)} if words is None else {"ERROR_DESC": words}
        return say(kind, request.operation, {field: self._code(code), **more}, f"status {code}")

    def _find(self, request: Request) -> Taken | None:
        """Find by the number if the query names one, else by the request alone."""
        name, phone = request["REQID"], request["MSISND"]
        if phone:
            day = request["SCHEDULETIME"]
            found = self._taken.get((name, phone), [])
            return next((each for each in found if day == self._day(each.at)), None)
        return next((each[0] for (other, _), each in self._taken.items() if other == name), None)

    def _day(self, at: datetime) -> str:
        return at.strftime(DAYS[self.behaviour.schedule_format])

    def _stage(self, taken: Taken | None) -> str:
        """Return the status now: 5, 2, then 3 for QC, then 0 or 1; unreported ones stop before that."""
        if taken is None:
            return "-1"
        steps = ["5", "2", "3"] if taken.is_qc else ["5", "2"]
        if taken.message.reporting.times:
            steps.append("0" if taken.message.outcome.status in ("DELIVRD", "SENT") else "1")
        stage_s = self.behaviour.stage_s
        passed = (self.now() - taken.at).total_seconds() / stage_s if stage_s else len(steps)
        return steps[min(int(passed), len(steps) - 1)]

    # The account

    def _list(self, kind: str, request: Request) -> SimulatedReply:
        refused = rules.account(self._case(request))
        if refused is not None:
            return self._say(kind, request.operation, refused)
        if request.operation not in self._listed:
            return self._say(kind, request.operation, ("3", "method id khong hop le"))
        name, rows = self._listed[request.operation](request)
        fields: dict[str, Value] = {
            "ERROR": self._code("0"),
            "ERROR_DESC": self.behaviour.success,
            name: rows,
        }
        return say(kind, request.operation, fields, request.operation)

    def _adser(self, _: Request) -> tuple[str, Rows]:
        return "ADSERDETAIL", [{"ADSERID": self.behaviour.adser_id, "ADSERNAME": "Cong an tinh"}]

    def _contract(self, request: Request) -> tuple[str, Rows]:
        own = self.behaviour
        row = {
            "CONTRACTID": own.contract_id or "70001",
            "CONTRACTNUMBER": "01/HD",
            "STARTVALIDDATE": "01-01-2020",
            "ENDVALIDDATED": own.contract_until,
            "CONTRACTTYPEID": own.traffic or "1",
        }
        return "CONTRACTDETAIL", [row] if request["ADSERID"] == own.adser_id else []

    def _label(self, request: Request) -> tuple[str, Rows]:
        own = self.behaviour
        row = {"LABELID": own.label_id or "900101", "LABEL": own.label, "DISPLAYNUMBER": ""}
        return "LABELDETAIL", [row] if request["ADSERID"] == own.adser_id else []

    def _template(self, _: Request) -> tuple[str, Rows]:
        own = self.behaviour
        total = str(len(rules.SLOT.findall(own.template)))
        identity = own.template_id or "800123"
        return "TEMPLATEDETAIL", [
            {
                "TEMPLATEID": identity,
                "TEMPLATETYPE": "1",
                "TEMPLATECONTENT": own.template,
                "TOTALPARAM": total,
            }
        ]

    def _orders(self, request: Request) -> tuple[str, Rows]:
        left = str(max(0, self.behaviour.quota - self._used))
        return "DATA", [{"PACKAGE_ID": request["PACKAGEID"] or "1", "BALANCE": left}] * bool(
            self.behaviour.quota
        )

"""What the simulated VNPT refuses a list for: an ordered list of rules, each with its code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from carriers.options import VIETNAM
from carriers.simulators.vnpt.behaviour import DAYS, VnptBehaviour, networks
from carriers.simulators.vnpt.codec import Request
from carriers.simulators.web.state import CarrierState
from carriers.text import segments
from carriers.vnpt.hours import read_blocked

# The holders of ranges by VNPT's numbering; 87 (Itel) has none.
PREFIXES = {
    "1": "91 94 88 81 82 83 84 85",
    "2": "90 93 89 70 76 77 78 79",
    "3": "98 97 96 86 32 33 34 35 36 37 38 39",
    "4": "99 59",
    "5": "92 52 56 58",
}
HOLDERS = {prefix: network for network, all_of_it in PREFIXES.items() for prefix in all_of_it.split()}
QC = "2"
Refusal = tuple[str, str]  # code and words
SLOT = re.compile(r"\{(?:[A-D] *, *([0-9]+)|P[0-9]+)\}")


@dataclass(frozen=True, slots=True)
class Case:
    """One list to be judged, with the carrier's state."""

    request: Request
    behaviour: VnptBehaviour
    state: CarrierState
    now: datetime
    caller: str
    used: int  # segments used of the package
    today: Counter[tuple[str, date]]  # QC requests by number and day

    @property
    def phones(self) -> Sequence[str]:
        return self.request["MOBILELIST"].split(",")

    @property
    def text(self) -> str:
        """The template with its parameters filled in."""
        numbers = iter(range(1, len(self.request.params) + 1))
        return SLOT.sub(lambda _: self.request.params.get(str(next(numbers, 0)), ""), self.behaviour.template)

    @property
    def segments(self) -> int:
        return segments(self.text) * len(self.phones)

    @property
    def is_qc(self) -> bool:
        return self.request["CONTRACTTYPEID"] == QC


Rule = Callable[[Case], Refusal | None]


def refusal(case: Case) -> Refusal | None:
    """Return the first refusal by any rule; None: the list is taken."""
    return next((found for rule in RULES if (found := rule(case)) is not None), None)


def account(case: Case) -> Refusal | None:
    """Check the caller: the first rule of every operation."""
    if case.state.is_welcome(case.request["APIUSER"], case.request["APIPASS"]):
        return None
    return "1", f"user, pass, ip, status khong hop le, ip={case.caller}"


def _field_equals(code: str, field: str, wanted: str, words: str) -> Rule:
    """Require a field to equal the one of the behaviour."""

    def rule(case: Case) -> Refusal | None:
        known = getattr(case.behaviour, wanted)
        return (code, words) if known and case.request[field] != known else None

    return rule


def _answer_code(case: Case) -> Refusal | None:
    code = case.behaviour.answer_code
    return (code, "theo yeu cau") if code else None


def _params(case: Case) -> Refusal | None:
    """Require parameters numbered from 1, as many as the template takes, none too long; or one empty one."""
    longest = [int(found or 1000) for found in SLOT.findall(case.behaviour.template)]
    wanted = [str(number) for number in range(1, max(1, len(longest)) + 1)]
    params = case.request.params
    if list(params) != wanted:
        return "7", "template khong hop le"
    too_long = any(len(text) > most for text, most in zip(params.values(), longest, strict=False))
    return ("28", "do dai tham so khong hop le") if too_long else None


def _type(case: Case) -> Refusal | None:
    known = case.behaviour.traffic or "12"
    return None if case.request["CONTRACTTYPEID"] in set(known) else ("9", "loai hop dong khong hop le")


def _schedule(case: Case) -> Refusal | None:
    text = case.request["SCHEDULETIME"]
    if not text:
        return None
    form = DAYS[case.behaviour.schedule_format] + " %H:%M"
    try:
        at = datetime.strptime(text, form).replace(tzinfo=VIETNAM)
    except ValueError:
        return "2", "thoi gian dat lich khong dung dinh dang"
    # The documentation of the code tolerates one day.
    return ("24", "thoi gian dat lich nho hon he thong") if at < case.now - timedelta(days=1) else None


def _numbers(case: Case) -> Refusal | None:
    wrong = any(
        not re.fullmatch("84[0-9]{9}", phone) or case.state.is_refused(phone) for phone in case.phones
    )
    mixed = len({HOLDERS.get(phone[2:4], phone[2:4]) for phone in case.phones}) > 1
    return ("23", "danh sach so co nhieu mang hoac so khong hop le") if wrong or mixed else None


def _ported(case: Case) -> Refusal | None:
    for phone in case.phones:
        for ending, network in networks(case.behaviour).items():
            if phone.endswith(ending):
                return "25", f"wrong network; right network = [{network}]; label not declared"
    return None


def _coding(case: Case) -> Refusal | None:
    coding, off_net = case.request["DATACODING"] or "0", HOLDERS.get(case.phones[0][2:4]) != "1"
    if coding not in ("0", "8") or (coding == "8" and off_net) or (coding == "0" and not case.text.isascii()):
        return "17", "dinh dang ky tu khong hop le"
    return None


def _encrypted(case: Case) -> Refusal | None:
    wanted: Mapping[str, Refusal | None] = {"": None, "0": None, "1": ("35", "ENCRYPTED khong duoc phep")}
    return wanted.get(case.request["ENCRYPTED"], ("36", "ENCRYPTED phai la 0 hoac 1"))


def _length(case: Case) -> Refusal | None:
    fits = 0 < len(case.text) <= case.behaviour.max_length
    return None if fits else ("11", "do dai tin nhan khong hop le")


def _keywords(case: Case) -> Refusal | None:
    words = filter(None, case.behaviour.keywords.lower().split(","))
    return ("30", "noi dung co tu khoa bi cam") if any(word in case.text.lower() for word in words) else None


def _quota(case: Case) -> Refusal | None:
    behaviour = case.behaviour
    over = bool(behaviour.quota) and case.used + case.segments > behaviour.quota
    return (behaviour.quota_code, "het quota agent") if over else None


def _hours(case: Case) -> Refusal | None:
    blocked = case.is_qc and read_blocked(case.behaviour.blocked_hours).at(case.now)
    return ("8", f"ngoai gio cho phep: {case.behaviour.blocked_hours}") if blocked else None


def _per_day(case: Case) -> Refusal | None:
    counts = (case.today[phone, case.now.date()] for phone in case.phones)
    over = case.is_qc and any(count >= case.behaviour.per_day for count in counts)
    return ("26", "thue bao da nhan du 3 tin quang cao trong ngay") if over else None


def _pace(case: Case) -> Refusal | None:
    too_fast = case.state.is_too_fast(case.segments, len(case.phones))
    return ("16", "vuot qua toc do gui tin") if too_fast else None


# The codes are documented, their order is not.
RULES: Sequence[Rule] = (
    account,
    _answer_code,
    _field_equals("10", "USERNAME", "portal_user", "user_name ko ton tai"),
    _field_equals("15", "AGENTID", "agent_id", "trang thai agent ko hop le"),
    _field_equals("13", "CONTRACTID", "contract_id", "hop dong khong dung"),
    _field_equals("14", "LABELID", "label_id", "label khong hop le hoac ko ton tai"),
    _field_equals("7", "TEMPLATEID", "template_id", "template khong hop le"),
    _params,
    _type,
    _schedule,
    _numbers,
    _ported,
    _encrypted,
    _coding,
    _length,
    _keywords,
    _quota,
    _hours,
    _per_day,
    _pace,
)

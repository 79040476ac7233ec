"""What the simulated Viettel refuses, in the order and with the messages of its error list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from carriers.simulators.randomness import unit
from carriers.simulators.viettel.behaviour import ViettelBehaviour, declared, ported_to
from carriers.simulators.viettel.soap import Call
from carriers.simulators.web.state import CarrierState

# Prefixes after 84 since the plan of 2018; a number that was ported has another network.
PREFIXES = {
    "VT": ("98", "97", "96", "86", "32", "33", "34", "35", "36", "37", "38", "39"),
    "VN": ("91", "94", "88", "81", "82", "83", "84", "85"),
    "MB": ("90", "93", "89", "70", "76", "77", "78", "79"),
    "VM": ("92", "52", "56", "58"),
}
_BY_PREFIX = {prefix: telco for telco, prefixes in PREFIXES.items() for prefix in prefixes}


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


class Rules:
    """The rules of one carrier; remembers what was taken, to detect duplicates."""

    def __init__(self, state: CarrierState) -> None:
        self._state = state
        self._taken_s: dict[tuple[str, str, str], float] = {}
        self._checked = 0

    @property
    def _behaviour(self) -> ViettelBehaviour:
        return cast(ViettelBehaviour, self._state.behaviour)

    def caller_refusal(self, call: Call, names: tuple[str, str, str] = ("User", "Password", "CPCode")) -> str:
        """Return why the caller is refused; "" if it is not."""
        user, password, cp_code = (call[name] for name in names)
        behaviour = self._behaviour
        for value, name in ((cp_code, "Cp_code"), (user, "UserName"), (password, "Password")):
            if not value:
                return f"Authenticate: {name}: NULL_OR_BLANK"
        if behaviour.cp_code not in ("", cp_code):
            return "Authenticate: CP_CODE_NOT_FOUND"
        if not self._state.is_welcome(user, password):
            return "Authenticate: WRONG_INFORMATION_AUTHENTICATE"
        return f"Authenticate: IP_INVALID (YOUR IP: {behaviour.seen_ip})" if behaviour.refuse_ip else ""

    def refusal(self, mt: Mt) -> str:
        self._checked += 1
        return next(self._refusals(mt), "")

    def remember(self, mt: Mt) -> None:
        self._taken_s[mt.receiver, mt.sender, mt.content] = self._state.last_heard_s

    def telco(self, phone: str) -> str:
        for ending, telco in ported_to(self._behaviour).items():
            if phone.endswith(ending):
                return telco
        return _BY_PREFIX.get(phone[2:4], "")

    def _refusals(self, mt: Mt) -> Iterator[str]:
        behaviour = self._behaviour
        if behaviour.refusal:
            yield behaviour.refusal
        yield from self._wrong_ids(mt)
        yield from self._wrong_number(mt)
        yield from self._wrong_sender(mt)
        yield from self._wrong_content(mt)
        if unit(behaviour.seed, 8, self._checked) < behaviour.information_error:
            yield "Check information error"

    def _wrong_ids(self, mt: Mt) -> Iterator[str]:
        if not mt.request_id:
            yield "Check RequestID: NULL_OR_BLANK"
        if not mt.request_id.isdecimal():
            yield "Check RequestID: REQUEST_ID_NOT_NUMBER"
        if not mt.user_id:
            yield "Check UserID: NULL_OR_BLANK"
        if not mt.receiver:
            yield "Check ReceiverID: NULL_OR_BLANK"

    def _wrong_number(self, mt: Mt) -> Iterator[str]:
        if not mt.receiver.isdecimal() or self._state.is_refused(mt.receiver):
            yield "Check ReceiverID: FORMAT_ERROR"
        if not re.fullmatch(r"84\d{9}", mt.receiver):
            yield "Length of ReceiverID is invalid."
        if mt.user_id != mt.receiver:
            yield "UserID_NOT_EQUAL_ReceiverID"
        if not self.telco(mt.receiver):
            yield "Unable to check telco from input receiver"

    def _wrong_sender(self, mt: Mt) -> Iterator[str]:
        before_s = self._taken_s.get((mt.receiver, mt.sender, mt.content))
        window_s = self._behaviour.duplicate_min * 60
        if before_s is not None and self._state.last_heard_s - before_s < window_s:
            yield "Check ServiceID: DUPLICATE MESSAGE"
        telco = self.telco(mt.receiver)
        names = declared(self._behaviour)
        if not mt.sender or (names and mt.sender not in names.get(telco, ())):
            yield f"Check ServiceID: ALIAS_INVALID:TELCO={telco}"

    def _wrong_content(self, mt: Mt) -> Iterator[str]:
        behaviour, length = self._behaviour, len(mt.content.encode())
        if not mt.command:
            yield "Check CommandCode: NULL_OR_BLANK"
        if mt.command != behaviour.command_code:
            yield "Check CommandCode: COMMAND_CODE_ERROR"
        if not mt.content:
            yield "Check Content: NULL_OR_BLANK"
        if length > behaviour.max_bytes:
            yield f"Check Content: MAXLENGTH_LIMIT_{behaviour.max_bytes}_BYTE (YOUR_CONTENT: {length} BYTE)"
        if any(word in mt.content.lower() for word in filter(None, behaviour.blacklist.lower().split(","))):
            yield "Check Content: MSG_ERROR_CONTAIN_BLACKLIST"
        if behaviour.template not in mt.content:
            yield "Check template: CONTENT_NOT_MATCH_TEMPLATE"

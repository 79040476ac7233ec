"""What Viettel's messages mean, in one table, since errors have no code on the wire."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from carriers.contract import Accepted, Deferred, Halted, Reason, Rejected, SubmitResult, Unknown
from carriers.http import quoted
from carriers.phrases import Phrase

Refusal = Rejected | Halted | Deferred

TAKEN = "Insert MT_QUEUE: OK"  # T4
DUPLICATE = Rejected("DUPLICATE_MESSAGE", Reason.FILTERED)
# T5, T7: the carrier's names of networks, and ours.
NETWORKS = {"vt": "viettel", "vn": "vnpt", "mb": "mobifone", "vm": "vietnamobile"}
_OWN_NETWORK = "vt"
_ALIAS_INVALID = "ALIAS_INVALID"
_IP_INVALID = "IP_INVALID"
_OURS = "Loa did not fill in a field that this link requires. Compare the settings with the contract."


class MessageCode(NamedTuple):
    """One message, matched anywhere in an answer, ignoring case and blanks; its result and source."""

    words: str
    result: Refusal
    source: str


# Sources: docs/carriers/viettel.md. What would affect every message halts the link, so that no delivery is
# used up; what concerns one number or one text is final for that delivery.
TABLE: Sequence[MessageCode] = (
    MessageCode(
        "Cp_code: NULL_OR_BLANK", Halted("CP_CODE NULL_OR_BLANK", "The setting cp_code is empty."), "T5"
    ),
    MessageCode(
        "UserName: NULL_OR_BLANK", Halted("USERNAME NULL_OR_BLANK", "The setting user is empty."), "T5"
    ),
    MessageCode("Password: NULL_OR_BLANK", Halted("PASSWORD NULL_OR_BLANK", "The password is empty."), "T5"),
    MessageCode(
        "CP_CODE_NOT_FOUND",
        Halted("CP_CODE_NOT_FOUND", "The carrier does not know the CP code. Correct cp_code."),
        "T5 T6 T7",
    ),
    MessageCode(
        "WRONG_INFORMATION_AUTHENTICATE",
        Halted("WRONG_INFORMATION_AUTHENTICATE", "The user name or password is wrong. Correct the settings."),
        "T5 T6 T7",
    ),
    MessageCode(
        _IP_INVALID,  # see _address
        Halted(
            _IP_INVALID,
            "The carrier does not allow this server's address. Ask the carrier to add it to its list.",
        ),
        "T5 T7",
    ),
    MessageCode("RequestID: NULL_OR_BLANK", Halted("REQUEST_ID NULL_OR_BLANK", _OURS), "T5"),
    MessageCode("REQUEST_ID_NOT_NUMBER", Halted("REQUEST_ID_NOT_NUMBER", _OURS), "T5 T7"),
    # We send the number in both fields: a carrier that misses one parses our requests differently.
    MessageCode("UserID: NULL_OR_BLANK", Halted("USER_ID NULL_OR_BLANK", _OURS), "T5"),
    MessageCode("ReceiverID: NULL_OR_BLANK", Halted("RECEIVER_ID NULL_OR_BLANK", _OURS), "T5"),
    MessageCode("FORMAT_ERROR", Rejected("RECEIVER_ID FORMAT_ERROR", Reason.NO_SUCH_NUMBER), "T5 T6"),
    MessageCode(
        "Length of ReceiverID is invalid",
        Rejected("RECEIVER_ID LENGTH_INVALID", Reason.NO_SUCH_NUMBER),
        "T7",
    ),
    MessageCode("UserID_NOT_EQUAL_ReceiverID", Halted("USER_ID_NOT_EQUAL_RECEIVER_ID", _OURS), "T5"),
    MessageCode(
        "Unable to check telco from input receiver",
        Rejected("UNABLE_TO_CHECK_TELCO", Reason.OTHER_NETWORK),
        "T5 T7",
    ),
    MessageCode("DUPLICATE MESSAGE", DUPLICATE, "T5 T6 T7"),
    MessageCode(_ALIAS_INVALID, Rejected(_ALIAS_INVALID, Reason.FILTERED), "T5 T6 T7"),  # see _alias
    MessageCode("CommandCode: NULL_OR_BLANK", Halted("COMMAND_CODE NULL_OR_BLANK", _OURS), "T5"),
    MessageCode("COMMAND_CODE_ERROR", Halted("COMMAND_CODE_ERROR", _OURS), "T5"),
    MessageCode("Content: NULL_OR_BLANK", Rejected("CONTENT NULL_OR_BLANK", Reason.WRONG_REQUEST), "T5"),
    MessageCode("MAXLENGTH_LIMIT_", Rejected("CONTENT MAXLENGTH_LIMIT", Reason.FILTERED), "T5"),
    MessageCode("MSG_ERROR_CONTAIN_BLACKLIST", Rejected("CONTENT BLACKLIST", Reason.FILTERED), "T5 T6"),
    MessageCode(
        "CONTENT_NOT_MATCH_TEMPLATE", Rejected("CONTENT_NOT_MATCH_TEMPLATE", Reason.FILTERED), "T5 T6"
    ),
    MessageCode("Check information error", Deferred("CHECK_INFORMATION_ERROR", 10.0, counts=True), "T5"),
)


def of_all(refusal: Refusal) -> bool:
    """Whether a refusal holds for every message of one text and sender, not only for one number."""
    if not isinstance(refusal, Rejected):
        return True
    return refusal.reason in (Reason.FILTERED, Reason.WRONG_REQUEST)


def bare(text: str) -> str:
    """Normalise words for comparison: no white space, lower case."""
    return "".join(text.split()).lower()


class CodeTable:
    """The contract's own words, then the table; and the secrets that no quotation may hold."""

    def __init__(self, more: Mapping[str, Refusal], secrets: Sequence[str]) -> None:
        rows = [*more.items(), *((row.words, row.result) for row in TABLE)]
        self._rows = [(bare(words), result) for words, result in rows]
        self._secrets = secrets

    def refusal(self, message: str) -> Refusal | None:
        """Look up a message; None if the tables don't have it."""
        message_words = bare(message)
        for words, result in self._rows:
            if words in message_words:
                return _alias(message, result) or _address(message, result) or result
        return None

    def verdict(self, result: str, message: str) -> SubmitResult:
        """Return the result of an answer by its `result` (1 is taken, T4) and message, without references."""
        refusal, taken = self.refusal(message), bare(TAKEN) in bare(message)
        shown = self.quoted(message)
        if result == "1":
            return Accepted() if refusal is None else Unknown(Phrase("result 1, but: {words}", words=shown))
        if result != "0" or taken:
            return Unknown(
                Phrase("result {result}: {words}", result=self.quoted(result) or "missing", words=shown)
            )
        return refusal or Rejected(shown or "result 0 without a message", Reason.OTHER)

    def quoted(self, words: str) -> str:
        """Make the carrier's words fit to keep and show."""
        return quoted(words, *self._secrets)


def _alias(message: str, result: Refusal) -> Refusal | None:
    """Return the result for a sender ID that is not registered at the number's network."""
    found = re.search(r"TELCO\s*=\s*([a-z]{1,8})", message, re.IGNORECASE)
    if result.code != _ALIAS_INVALID or found is None:
        return None
    telco, code = found[1].lower(), f"{_ALIAS_INVALID}:TELCO={found[1].upper()}"
    if telco == _OWN_NETWORK:  # every number of this carrier would be refused
        return Halted(
            code, "The sender ID is not registered. Ask the carrier to register it, then resume the link."
        )
    return Rejected(code, Reason.OTHER_NETWORK, NETWORKS.get(telco, ""))


def _address(message: str, result: Refusal) -> Refusal | None:
    """Return the result with our address as the carrier sees it, which it has to allow."""
    found = re.search(r"YOUR IP:\s*([0-9a-fA-F.:]{3,45})", message, re.IGNORECASE)
    if result.code != _IP_INVALID or found is None:
        return None
    return Halted(
        _IP_INVALID,
        Phrase(
            "The carrier does not allow {address}. Ask the carrier to add this address to its list.",
            address=found[1],
        ),
    )

"""What MobiFone's answers mean: one table of statuses, and the words for a session that has ended."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from carriers.contract import Accepted, Deferred, Halted, Reason, Rejected, SubmitResult, Unknown
from carriers.http import HttpAnswer, failure_of, quoted, redirected
from carriers.mobifone.settings import Refusal
from carriers.phrases import Phrase


class SessionState(Enum):
    """Not an answer about the message: the session has ended, so log in and send once more."""

    ENDED = "ended"


class StatusCode(NamedTuple):
    """One status of send.jsp and send_2.jsp, its result and its source (docs/carriers/mobifone.md)."""

    status: str
    becomes: SubmitResult | SessionState
    source: str


# Only 200 is evidenced. The others are read as the HTTP statuses of the same number; the contract's own ones
# (setting `statuses`) take precedence. After 408, 409, 425, 429 and 5xx the message may have been taken. Any
# other status is a refusal without a reason.
TABLE: Sequence[StatusCode] = (
    StatusCode("200", Accepted(), "M1 M2 M3 M4 M5 M6"),
    StatusCode("401", SessionState.ENDED, "not evidenced"),
)
_ROWS = {row.status: row.becomes for row in TABLE}
# Plain text, with HTTP status 401: M1 has the first two, M4 the third.
_PERHAPS_TAKEN = re.compile(r"408|409|425|429|5[0-9][0-9]")
ENDED_WORDS = ("sessionexpired", "sidnotpassed", "notloggedin")


class JsonAnswer(NamedTuple):
    """The fields of a JSON answer; `status` as a string, whether it was one or a number."""

    status: str
    message: str
    sid: str


def said(answer: HttpAnswer) -> JsonAnswer | None:
    """Parse the answer; None if it is not MobiFone's JSON. The content type is ignored: it says nothing."""
    try:
        found = json.loads(answer.text)
    except (ValueError, RecursionError):
        return None
    status = found.get("status") if isinstance(found, dict) else None
    if isinstance(status, bool) or not isinstance(status, int | str):
        return None
    message, sid = found.get("message"), found.get("sid")
    return JsonAnswer(
        str(status).strip(),
        message if isinstance(message, str) else "",
        sid.strip() if isinstance(sid, str) else "",  # may carry CR, LF and blanks (M6)
    )


def has_ended(answer: HttpAnswer) -> bool:
    """Whether the answer says that there is no session: the message was not looked at."""
    word = re.sub(r"[^a-z]", "", answer.text[:64].lower())
    return answer.status in (200, 401) and word in ENDED_WORDS


def verdict(
    answer: HttpAnswer, overrides: Mapping[str, Refusal], secrets: Sequence[str]
) -> SubmitResult | SessionState:
    """Return what an answer to send.jsp or send_2.jsp means for its message."""
    if has_ended(answer):
        return SessionState.ENDED
    failed = failure_of(answer)
    if failed is not None:
        return failed
    words = said(answer)
    if words is None:
        return Unknown("the answer cannot be read")
    if words.status in overrides:
        return overrides[words.status]
    shown = quoted(f"{words.status} {words.message}", *secrets)
    if _PERHAPS_TAKEN.fullmatch(words.status):
        return Unknown(
            Phrase("MobiFone answered with status {status}", status=words.status),
            throttled=words.status == "429",
        )
    return _ROWS.get(words.status) or Rejected(shown, Reason.OTHER)


def login_verdict(answer: HttpAnswer, secrets: Sequence[str]) -> str | Deferred | Halted:
    """Return the session id, or why there is none; either way nothing was sent."""
    words = said(answer)
    if words is None or answer.status != 200:
        failed = redirected(answer) or failure_of(answer)
        if isinstance(failed, Deferred | Halted):
            return failed
        if isinstance(failed, Unknown) and failed.throttled:
            return Deferred("login: http 429", retry_after_s=5.0, throttled=True)
        return Deferred("login: the answer cannot be read", retry_after_s=5.0)
    if words.status == "200":
        return words.sid or Deferred("login: no sid in the answer", retry_after_s=5.0)
    shown = quoted(f"{words.status} {words.message}", *secrets)
    if _PERHAPS_TAKEN.fullmatch(words.status):
        return Deferred(
            Phrase("Login failed: {said}", said=shown), retry_after_s=5.0, throttled=words.status == "429"
        )
    return Halted(
        f"login {words.status}"[:40],
        Phrase(
            "MobiFone rejects the login ({said}). Correct user and password, then resume the link.",
            said=shown,
        ),
    )

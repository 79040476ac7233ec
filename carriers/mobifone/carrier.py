"""A MobiFone link: login.jsp for a session, then send.jsp, or send_2.jsp for texts with accents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt, wait_exponential

from carriers.contract import (
    CheckFinding,
    Deferred,
    Encoding,
    Halted,
    LinkOptions,
    OutboundSms,
    Reason,
    Rejected,
    SubmitResult,
)
from carriers.http import Failure, HttpAnswer, HttpCarrier
from carriers.mobifone import codes
from carriers.mobifone.settings import MobifoneSettings, read_settings
from carriers.options import Adapter
from carriers.text import Table, Tables, encoding_of, segments

Outcome = str | Deferred | Halted


class Login:
    """One login at a time, shared by all messages; renews the session when it is missing, old or ended.

    Whether a second login ends the first session is unknown. We assume so, and never log in beside a session
    that still holds.
    """

    def __init__(self, login: Callable[[], Awaitable[Outcome]], longest_s: float) -> None:
        self._login, self._longest_s = login, longest_s
        self._sid, self._until_s = "", 0.0
        self._task: asyncio.Task[Outcome] | None = None

    async def sid(self) -> Outcome:
        """Return the session id, logging in if necessary; or why there is none."""
        if self._sid and asyncio.get_running_loop().time() < self._until_s:
            return self._sid
        if self._task is None:
            self._task = asyncio.create_task(self._renew())
        # Shielded: a cancelled message must not cancel the login for the others.
        return await asyncio.shield(self._task)

    def has_ended(self, sid: str) -> None:
        """Forget this session; keep one made since then."""
        if self._sid == sid:
            self._sid = ""

    def forget(self) -> None:
        self._sid = ""

    async def leave(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _renew(self) -> Outcome:
        began_s = asyncio.get_running_loop().time()
        try:
            outcome = await self._login()
            if isinstance(outcome, str):
                self._sid, self._until_s = outcome, began_s + self._longest_s
            return outcome
        finally:
            self._task = None


LOGIN, PLAIN, ACCENTED = "/login.jsp", "/send.jsp", "/send_2.jsp"
STRANGE = (
    "MobiFone keeps rejecting messages for an unknown reason. Possible causes: no balance, wrong sender ID."
)
ENDED_TWICE = Deferred("session ended twice", retry_after_s=5.0, counts=True)
# A text with an accent goes as UCS-2 even if GSM-7 has the letter, such as \u00e0.
_ALL_UCS2 = Tables(gsm7=Table(70, 67))


class MobifoneCarrier(HttpCarrier):
    """contract.Carrier and Checked over "smsg"; without references, so receipts (files) match by phone."""

    strange = STRANGE

    def __init__(self, link: LinkOptions) -> None:
        own = self.settings = read_settings(link)
        super().__init__(link, own)
        if not own.ucs2:
            self.limits = replace(self.limits, encodings=frozenset({Encoding.GSM7}))
        self.receipt_level = own.receipt_level
        self._session = Login(self._log_in, own.session_s)

    async def open(self) -> None:
        self._session.forget()
        await super().open()

    async def close(self) -> None:
        """Wait for requests in flight; MobiFone has no logout."""
        await super().close()
        await self._session.leave()

    def segments(self, text: str) -> int:
        """SMS parts of the text, in the encoding in which this link sends it."""
        return segments(text) if _is_plain(text) else segments(text, _ALL_UCS2)

    async def hand_over(self, messages: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """Send one message in one request; renew a session that has ended, once."""
        sms = messages[0]
        refused = self._unsupported(sms.text)
        if refused is not None:
            return [refused]
        result = await self._send(sms)
        if result is codes.SessionState.ENDED:
            # The answer named the session and no reason about the message, so it was not sent: send again.
            result = await self.why_uncertain() or await self._send(sms)
        if isinstance(result, codes.SessionState):
            return [ENDED_TWICE]
        return [result]

    async def _send(self, sms: OutboundSms) -> SubmitResult | codes.SessionState:
        sid = await self._session.sid()
        if not isinstance(sid, str):
            return sid
        fields = {"sid": sid, "sender": sms.sender, "recipient": sms.phone, "content": sms.text}
        if _is_plain(sms.text):
            answer = await self._ask(PLAIN, fields)
        else:
            answer = await self._ask(ACCENTED, {"enCoding": "ALPHA_UCS2", **fields})
        if not isinstance(answer, HttpAnswer):
            return answer
        result = codes.verdict(answer, self.settings.statuses, (self.settings.password, sid))
        if result is codes.SessionState.ENDED:
            self._session.has_ended(sid)
        return result

    async def _ask(self, page: str, fields: dict[str, str]) -> HttpAnswer | Failure:
        how = "data" if self.settings.method == "POST" else "params"
        return await self.exchange(self.settings.method, page, **{how: fields})

    def _unsupported(self, text: str) -> Rejected | None:
        if self.segments(text) > self.settings.max_segments:
            return Rejected("text: too many parts", Reason.WRONG_REQUEST)
        if not _is_plain(text) and not self.settings.ucs2:
            return Rejected("text: this link does not support accents", Reason.WRONG_REQUEST)
        return None

    async def _log_in(self) -> Outcome:
        """Start a new session, retrying while the refusal is temporary."""
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda outcome: isinstance(outcome, Deferred)),
            stop=stop_after_attempt(self.settings.login_tries),
            wait=wait_exponential(self.settings.login_pause_s, max=10 * self.settings.login_pause_s),
            retry_error_callback=_last_outcome,
        )
        outcome: Outcome = await retrying(self._log_in_once)
        return outcome

    async def _log_in_once(self) -> Outcome:
        own = self.settings
        fields = {"userName": own.user, "password": own.password, "bindMode": own.bind_mode}
        answer = await self._ask(LOGIN, fields)
        if isinstance(answer, HttpAnswer):
            return codes.login_verdict(answer, (own.password,))
        if isinstance(answer, Deferred | Halted):
            return answer
        # A lost login answer is harmless: it carried no message.
        return Deferred("login: the answer was lost", retry_after_s=1.0)

    async def check(self) -> Sequence[CheckFinding]:
        """Check that MobiFone lets us in; nothing else can be asked without sending."""
        self._session.forget()
        outcome = await self._session.sid()
        if isinstance(outcome, str):
            return [
                CheckFinding(True, "MobiFone accepts the login and opens a session."),
                CheckFinding(
                    True, "Sender ID, templates and balance cannot be queried. Send a test message."
                ),
            ]
        reason = outcome.reason if isinstance(outcome, Halted) else "Try again in a moment."
        return [CheckFinding(False, f"MobiFone opens no session: {outcome.code}. {reason}")]


def _is_plain(text: str) -> bool:
    """Whether send.jsp can carry it: GSM-7 characters without accents."""
    return text.isascii() and encoding_of(text) is Encoding.GSM7


def _last_outcome(state: RetryCallState) -> Outcome:
    outcome: Outcome = state.outcome.result() if state.outcome else Deferred("login: not tried")
    return outcome


ADAPTER = Adapter(MobifoneCarrier, MobifoneSettings)

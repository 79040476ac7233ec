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
from carriers.mobifone.settings import read_settings
from carriers.text import Table, Tables, encoding_of, segments

# ---- MobiFone's login session: one login at a time, however many messages wait for it

Outcome = str | Deferred | Halted


class Login:
    """The session's id, had by `login` when it is first wanted, when it is too old or when it has ended.

    Whether a second login ends the first session is not known; it is taken to, so there is never one beside
    a session that still holds.
    """

    def __init__(self, login: Callable[[], Awaitable[Outcome]], longest_s: float) -> None:
        self._login, self._longest_s = login, longest_s
        self._sid, self._until_s = "", 0.0
        self._under_way: asyncio.Task[Outcome] | None = None

    async def sid(self) -> Outcome:
        """The id of a session; or why there is none."""
        if self._sid and asyncio.get_running_loop().time() < self._until_s:
            return self._sid
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._renew())
        # Whoever is cancelled takes the login from nobody else.
        return await asyncio.shield(self._under_way)

    def has_ended(self, sid: str) -> None:
        """The carrier says so; a session made since then stays."""
        if self._sid == sid:
            self._sid = ""

    def forget(self) -> None:
        """The next message logs in."""
        self._sid = ""

    async def leave(self) -> None:
        """End a login for which nobody waits."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)

    async def _renew(self) -> Outcome:
        began_s = asyncio.get_running_loop().time()
        try:
            outcome = await self._login()
            if isinstance(outcome, str):
                self._sid, self._until_s = outcome, began_s + self._longest_s
            return outcome
        finally:
            self._under_way = None


LOGIN, PLAIN, ACCENTED = "/login.jsp", "/send.jsp", "/send_2.jsp"
STRANGE = "MobiFone refuses message after message, for a reason that we do not know (no balance? sender ID?)."
ENDED_TWICE = Deferred("session ended twice", retry_after_s=5.0, counts=True)
# A text with a letter such as \u00e0, which GSM-7 has, goes as UCS-2 all the same.
_ALL_UCS2 = Tables(gsm7=Table(70, 67))


class MobifoneCarrier(HttpCarrier):
    """contract.Carrier and Checked over "smsg"; no reference, so receipts (by file, say) go by phone."""

    strange = STRANGE

    def __init__(self, link: LinkOptions) -> None:
        own = self.settings = read_settings(link)
        super().__init__(link, own)
        if not own.ucs2:
            self.limits = replace(self.limits, encodings=frozenset({Encoding.GSM7}))
        self.receipt_level = own.receipt_level
        self._session = Login(self._log_in, own.session_s)

    # ---- contract.Carrier

    async def open(self) -> None:
        """Take messages from now on; a halted link tries again."""
        self._session.forget()
        await super().open()

    async def close(self) -> None:
        """Let what is in flight finish; nothing tells MobiFone that a session has ended."""
        await super().close()
        await self._session.leave()

    def segments(self, text: str) -> int:
        """SMS parts of the text, in the encoding in which this link sends it."""
        return segments(text) if _is_plain(text) else segments(text, _ALL_UCS2)

    # ---- sending

    async def hand_over(self, some: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """One request for one message; a session that has ended is renewed once."""
        sms = some[0]
        refused = self._too_much(sms.text)
        if refused is not None:
            return [refused]
        result = await self._send(sms)
        if result is codes.SessionState.ENDED:
            # That a refused send did not happen is inferred from its having named no reason of the message's.
            result = await self.doubt() or await self._send(sms)
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

    def _too_much(self, text: str) -> Rejected | None:
        """What this link can't carry, before the carrier has to say so."""
        if self.segments(text) > self.settings.max_segments:
            return Rejected(f"text: more than {self.settings.max_segments} parts", Reason.WRONG_REQUEST)
        if not _is_plain(text) and not self.settings.ucs2:
            return Rejected("text: accents, which this link does not take", Reason.WRONG_REQUEST)
        return None

    # ---- the session

    async def _log_in(self) -> Outcome:
        """A new session, asked for again while it is only a matter of time."""
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda outcome: isinstance(outcome, Deferred)),
            stop=stop_after_attempt(self.settings.login_tries),
            wait=wait_exponential(self.settings.login_pause_s, max=10 * self.settings.login_pause_s),
            retry_error_callback=_last,
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
        # Of a login nothing has to be known: no message was in it.
        return Deferred("login: the answer was lost", retry_after_s=1.0)

    # ---- contract.Checked

    async def check(self) -> Sequence[CheckFinding]:
        """Whether MobiFone lets us in: all that it can be asked without sending anything."""
        self._session.forget()
        outcome = await self._session.sid()
        if isinstance(outcome, str):
            return [
                CheckFinding(True, "MobiFone takes our login and gives a session."),
                CheckFinding(True, "Sender ID, templates and balance can't be asked: send a test message."),
            ]
        reason = outcome.reason if isinstance(outcome, Halted) else "Try again in a moment."
        return [CheckFinding(False, f"MobiFone gives no session: {outcome.code}. {reason}")]


def _is_plain(text: str) -> bool:
    """Whether send.jsp carries it: what GSM-7 has, without any accent."""
    return text.isascii() and encoding_of(text) is Encoding.GSM7


def _last(state: RetryCallState) -> Outcome:
    outcome: Outcome = state.outcome.result() if state.outcome else Deferred("login: not tried")
    return outcome

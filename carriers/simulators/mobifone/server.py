"""The simulated MobiFone server: sessions, and the answers of send.jsp and send_2.jsp."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass

from carriers.contract import Encoding
from carriers.simulators.randomness import flag
from carriers.simulators.web import SimulatedReply, SimulatedRequest, WebBehaviour, WebSimulator
from carriers.text import encoding_of

LOGIN, SEND, SEND_ACCENTED = "/smsg/login.jsp", "/smsg/send.jsp", "/smsg/send_2.jsp"
PHONE = re.compile(r"84\d{9}")
JSP = "text/html; charset=UTF-8"  # what JSP declares for everything, JSON included


@dataclass(frozen=True, slots=True)
class MobifoneBehaviour(WebBehaviour):
    """The common behaviour, and MobiFone's own."""

    session_age_s: float = flag(300.0, "seconds after which a session has expired")
    sessions: int = flag(1, "sessions that live at once: one login more ends the oldest")
    forget_sessions: bool = flag(False, "every session is forgotten as soon as it was given")
    status_as_number: bool = flag(False, "status is a number in place of a string")
    sid_tail: bool = flag(True, "the sid has CR and LF behind it")
    senders: str = flag("", "the only sender IDs taken, as CONGAN,LOA ('': any)")
    template: str = flag("", "words that a text must have, else it fits no template")


class Mobifone(WebSimulator):
    """MobiFone's brandname service over HTTP."""

    name = "mobifone"
    port_by_default = 8083
    path = "/smsg"
    behaviour_type = MobifoneBehaviour

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._sessions: dict[str, float] = {}  # sid -> when it was issued
        self.logins = 0

    def is_submit(self, path: str) -> bool:
        return path != LOGIN

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        if request.path == LOGIN:
            return self._login(request)
        if request.path in (SEND, SEND_ACCENTED):
            return self._send(request)
        return SimulatedReply(b"<html><body>HTTP Status 404</body></html>", "http 404", 404, JSP)

    def expire_sessions(self) -> None:
        self._sessions.clear()

    def _login(self, request: SimulatedRequest) -> SimulatedReply:
        fields = request.fields
        if not self.state.is_welcome(fields.get("userName", ""), fields.get("password", "")):
            return self._say("Invalid user or password", "401")
        self.logins += 1
        sid = secrets.token_hex(16)
        while len(self._sessions) >= self.behaviour.sessions:
            self._sessions.pop(next(iter(self._sessions)))
        if not self.behaviour.forget_sessions:
            self._sessions[sid] = self.state.last_heard_s
        written_sid = sid + "\r\n" if self.behaviour.sid_tail else sid
        return self._json({"sid": written_sid, "status": self._status("200")}, "login")

    def _send(self, request: SimulatedRequest) -> SimulatedReply:
        fields = request.fields
        problem = self._session_problem(fields.get("sid", ""))
        if problem:
            return SimulatedReply(problem.encode(), problem, 401)
        refusal = self._refusal(request)
        if refusal is not None:
            self.state.refuse()
            return self._say(*refusal)
        text, phone = fields["content"], fields["recipient"]
        if self.state.is_too_fast():
            return self._say("Too many requests", "429")
        self.state.take(request, phone, text, fields["sender"])
        return self._say("OK", "200")

    def _session_problem(self, sid: str) -> str:
        """Return the body of a 401; "" if the session is valid."""
        if not sid:
            return "SidNotPassed"
        if not self.logins:
            return "NotLoggedIn"
        given_s = self._sessions.get(sid)
        if given_s is None or self.state.last_heard_s - given_s > self.behaviour.session_age_s:
            return "SessionExpired"
        return ""

    def _refusal(self, request: SimulatedRequest) -> tuple[str, str] | None:
        fields, behaviour = request.fields, self.behaviour
        sender, phone, text = (fields.get(name, "") for name in ("sender", "recipient", "content"))
        if not sender or (behaviour.senders and sender not in behaviour.senders.split(",")):
            return f"Sender {sender} is not allowed", "403"
        if not PHONE.fullmatch(phone) or self.state.is_refused(phone):
            return f"Recipient {phone} is invalid", "400"
        if not text or behaviour.template not in text:
            return "Content does not match any template", "403"
        accented = request.path == SEND_ACCENTED
        if accented and fields.get("enCoding") != "ALPHA_UCS2":
            return "enCoding is invalid", "400"
        if not accented and encoding_of(text) is not Encoding.GSM7:
            return "Content has characters that are not allowed", "400"
        return None

    def _say(self, message: str, status: str) -> SimulatedReply:
        return self._json({"message": message, "status": self._status(status)}, status)

    def _status(self, status: str) -> str | int:
        return int(status) if self.behaviour.status_as_number else status

    def _json(self, what: dict[str, object], code: str) -> SimulatedReply:
        return SimulatedReply(json.dumps(what, ensure_ascii=False).encode(), code, content_type=JSP)

"""Simulated MobiFone brandname service over HTTP: login.jsp, send.jsp and send_2.jsp.

`python -m carriers.simulators.mobifone --help` lists every flag.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass

from carriers.contract import Encoding
from carriers.simulators.process import run
from carriers.simulators.randomness import flag
from carriers.simulators.web import NOT_FOUND, SimulatedReply, SimulatedRequest, WebBehaviour, WebSimulator
from carriers.text import encoding_of

LOGIN, SEND, SEND_ACCENTED = "/smsg/login.jsp", "/smsg/send.jsp", "/smsg/send_2.jsp"
PHONE = re.compile(r"84\d{9}")
JSP = "text/html; charset=UTF-8"  # what JSP declares for everything, JSON included


@dataclass(frozen=True, slots=True)
class MobifoneBehaviour(WebBehaviour):
    """The common behaviour, and MobiFone's own."""

    session_age_s: float = flag(300.0, "seconds after which a session has expired")
    forget_sessions: bool = flag(False, "forget every session as soon as it is given out")
    status_as_number: bool = flag(False, "status is a number instead of a string")
    senders: str = flag("", "the only sender IDs accepted, such as CONGAN,LOA ('': any)")
    template: str = flag("", "words that a text must contain to match a template")


class Mobifone(WebSimulator):
    """MobiFone's brandname service over HTTP."""

    name = "mobifone"
    port_by_default = 8083
    path = "/smsg"
    behaviour_type = MobifoneBehaviour

    sid, sid_given_s = "", 0.0  # the session that lives: a login ends the one before
    logins = 0

    def is_submit(self, path: str) -> bool:
        return path != LOGIN

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        if request.path == LOGIN:
            return self._login(request)
        if request.path in (SEND, SEND_ACCENTED):
            return self._send(request)
        return NOT_FOUND

    def expire_sessions(self) -> None:
        self.sid = ""

    def _login(self, request: SimulatedRequest) -> SimulatedReply:
        fields = request.fields
        if not self.is_welcome(fields.get("userName", ""), fields.get("password", "")):
            return self._say("Invalid user or password", "401")
        self.logins += 1
        sid = secrets.token_hex(16)
        self.sid, self.sid_given_s = "" if self.behaviour.forget_sessions else sid, self.last_heard_s
        return self._json({"sid": sid + "\r\n", "status": self._status("200")}, "login")

    def _send(self, request: SimulatedRequest) -> SimulatedReply:
        fields = request.fields
        problem = self._session_problem(fields.get("sid", ""))
        if problem:
            return SimulatedReply(problem.encode(), problem, 401)
        refusal = self._refusal(request)
        if refusal is not None:
            self.refuse()
            return self._say(*refusal)
        if self.is_too_fast():
            return self._say("Too many requests", "429")
        self.take(request, fields["recipient"], fields["content"], fields["sender"])
        return self._say("OK", "200")

    def _session_problem(self, sid: str) -> str:
        """Return the body of a 401; "" if the session is valid."""
        if not sid:
            return "SidNotPassed"
        if not self.logins:
            return "NotLoggedIn"
        is_old = self.last_heard_s - self.sid_given_s > self.behaviour.session_age_s
        return "SessionExpired" if sid != self.sid or is_old else ""

    def _refusal(self, request: SimulatedRequest) -> tuple[str, str] | None:
        fields, behaviour = request.fields, self.behaviour
        sender, phone, text = (fields.get(name, "") for name in ("sender", "recipient", "content"))
        if not sender or (behaviour.senders and sender not in behaviour.senders.split(",")):
            return f"Sender {sender} is not allowed", "403"
        if not PHONE.fullmatch(phone) or self.is_refused(phone):
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


if __name__ == "__main__":
    raise SystemExit(run(Mobifone))

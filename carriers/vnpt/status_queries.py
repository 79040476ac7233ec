"""Query VNPT for message statuses and account data; queries change nothing, so lost ones are retried."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator

from structlog.typing import FilteringBoundLogger
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from carriers.contract import (
    Deferred,
    Halted,
    Question,
    ReadError,
    Reason,
    Receipt,
    ReceiptStatus,
    Rejected,
    Unknown,
)
from carriers.http import CLOSED, Failure, HttpAnswer, quoted
from carriers.options import VIETNAM
from carriers.vnpt import codec
from carriers.vnpt.codes import REFUSED_STATUS, plain_code, status_of
from carriers.vnpt.settings import OF_REQUEST, VnptSettings

Exchange = Callable[..., Awaitable[HttpAnswer | Failure]]
# Code 1 in ERROR is a failed message or a refused account; the description of a refusal has these (V1).
_ACCOUNT = re.compile(r"\b(user|pass|ip)\b", re.IGNORECASE)


class _Lost(ReadError):
    """No readable answer: asking again may bring one."""


class StatusQueries:
    """Queries over one link; each has the account's fields and those of its operation."""

    def __init__(self, exchange: Exchange, settings: VnptSettings, log: FilteringBoundLogger) -> None:
        self._exchange = exchange
        self._own = settings
        self._log = log
        self._logged = ""

    async def reply(self, operation: str, **fields: str) -> codec.Reply:
        """Return VNPT's answer; ReadError, without secrets, if it can't be asked."""
        own = self._own
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Lost),
            stop=stop_after_attempt(own.read_tries),
            wait=wait_exponential(own.read_pause_s, max=10 * own.read_pause_s),
            reraise=True,
        )
        return await retrying(self._once, operation, fields)

    async def _once(self, operation: str, fields: dict[str, str]) -> codec.Reply:
        own = self._own
        account = {"AGENTID": own.agent_id, "APIUSER": own.user, "APIPASS": own.password}
        content = codec.body(own.format, own.xml_name, operation, {**fields, **account})
        headers = {"Content-Type": codec.CONTENT_TYPES[own.format]}
        answer = await self._exchange("POST", content=content, headers=headers)
        reply = codec.reply(answer) if isinstance(answer, HttpAnswer) else answer
        if isinstance(reply, Deferred | Halted | Rejected | Unknown):
            raise _unread(operation, reply)
        return reply

    async def receipt(self, question: Question) -> Receipt | None:
        """Return the status of one message; None if VNPT does not know it or does not answer now.

        ReadError if VNPT refuses the query: that concerns our account, and a person has to look. A query must
        name the template, and which one a message used is not stored, so with several templates each is
        tried.
        """
        own = self._own
        for fields in _questions(own, question):
            try:
                reply = await self.reply(own.status_operation, **fields)
            except _Lost as error:
                self._log_outage(str(error))
                return None
            self._logged = ""
            code = _status_code(own, reply)
            says = status_of(code)
            if says is not None:
                return _receipt(own, question, code, says, quoted(str(reply.get("MT_COUNT", ""))))
        return None

    def _log_outage(self, why: str) -> None:
        """Log an outage once, not for every failed query."""
        if why != self._logged:
            self._log.warning("no status from VNPT", why=why)
        self._logged = why


def _unread(operation: str, why: Failure) -> ReadError:
    match why:
        case Halted(code, reason):
            return ReadError(f"VNPT cannot be queried for {operation} ({code}): {reason}")
        case Unknown(reason):
            return _Lost(f"VNPT gave no answer to {operation}: {reason}.")
        case Rejected(code):
            return ReadError(f"VNPT cannot be queried for {operation}: {code}.")
        case Deferred(code):
            kind = ReadError if why is CLOSED else _Lost
            return kind(f"VNPT cannot be queried for {operation} now: {code}.")


def _questions(settings: VnptSettings, question: Question) -> Iterator[dict[str, str]]:
    day = question.sent_at.astimezone(VIETNAM).strftime(settings.schedule_format)
    fields = {"REQID": question.reference, "CONTRACTID": settings.contract_id}
    if settings.status_request == OF_REQUEST:
        yield {**fields, "SENDTIME": day}
        return
    fields |= {"MSISND": question.phone, "LABELID": settings.label_id, "SCHEDULETIME": day}  # spelled so (V2)
    for template in settings.templates:
        yield {**fields, "TEMPLATEID": template.id}


def _status_code(settings: VnptSettings, reply: codec.Reply) -> str:
    """Return the status of the message; ReadError if there is none, or if it is about our account."""
    code, in_error = plain_code(reply.get(settings.status_field)), settings.status_field == "ERROR"
    of_account = in_error and code == "1" and _ACCOUNT.search(codec.words(reply))
    if code is None or code == REFUSED_STATUS or of_account:
        named = code or plain_code(reply.get("ERROR")) or "no code"
        said = codec.said(reply, settings.password, settings.user) or "without a word"
        raise ReadError(f"VNPT refuses {settings.status_operation} with {named}: {said}.")
    return code


def _receipt(
    settings: VnptSettings, question: Question, code: str, says: ReceiptStatus, charged: str
) -> Receipt:
    failed = says is ReceiptStatus.UNDELIVERED
    return Receipt(
        question.reference,
        question.phone,
        says,
        settings.receipt_level,
        Reason.OTHER if failed else Reason.NONE,
        code,
        raw=f"{settings.status_operation} {settings.status_field}={code} MT_COUNT={charged}",
    )

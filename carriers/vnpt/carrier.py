"""A VNPT link: lists for one network, one verdict per list, split if one number is at fault."""

from __future__ import annotations

import re
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from carriers.contract import (
    Accepted,
    CheckFinding,
    Deferred,
    Halted,
    LinkOptions,
    OutboundSms,
    Question,
    Reason,
    Receipt,
    Rejected,
    SubmitResult,
    Unknown,
)
from carriers.http import Failure, HttpAnswer, HttpCarrier
from carriers.options import VIETNAM, Adapter
from carriers.phrases import Phrase
from carriers.text import nfc
from carriers.text.template import fit
from carriers.vnpt import codec
from carriers.vnpt.account_check import AccountCheck
from carriers.vnpt.codes import OWN_NETWORK, Wait, network_in, plain_code, range_holder, row_of
from carriers.vnpt.settings import VnptSettings, read
from carriers.vnpt.status_queries import StatusQueries

NOT_SENT = Deferred("not sent after a lost answer", retry_after_s=1.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one list. of_one_number: an unnamed number in it had the list refused."""

    result: SubmitResult
    of_one_number: bool = False

    def for_the_rest(self) -> SubmitResult | None:
        """Return the result for lists not sent yet; None if they may go."""
        if self.of_one_number or isinstance(self.result, Accepted | Rejected):
            return None
        return self.result if isinstance(self.result, Deferred | Halted) else NOT_SENT


Send = Callable[[Sequence[int]], Awaitable[Verdict]]


async def send_lists(lists: Iterable[Sequence[int]], send: Send) -> dict[int, SubmitResult]:
    """Send the lists and return one result for each index.

    A list refused because of one number is halved until that number is found. A half is sent only after its
    whole was certainly refused, so no number goes out twice. A list of n takes at most 2n - 1 requests, and
    about 2 log2(n) with one bad number.
    """
    pending = deque(lists)
    results: dict[int, SubmitResult] = {}
    stop: SubmitResult | None = None
    while pending:
        some = pending.popleft()
        verdict = await send(some) if stop is None else Verdict(stop)
        if verdict.of_one_number and len(some) > 1:
            middle = len(some) // 2
            pending.extendleft((some[middle:], some[:middle]))
            continue
        results.update(dict.fromkeys(some, verdict.result))
        stop = stop or verdict.for_the_rest()
    return results


SEND = "send_sms_list"
PLAIN, ACCENTED = "0", "8"
BAD_PHONE = Rejected("not 84 and nine digits", Reason.NO_SUCH_NUMBER)
BAD_TEXT = Rejected("a character that cannot be transmitted", Reason.WRONG_REQUEST)
# VNPT takes DATACODING 8 towards VinaPhone numbers only (V2).
TOO_LONG = Rejected("more parts than the link allows", Reason.WRONG_REQUEST)
ACCENTS_OFF_NET = Rejected("accents towards another network", Reason.WRONG_REQUEST)


@dataclass(frozen=True, slots=True)
class RequestText:
    """One text as a request carries it: template, parameters, DATACODING."""

    template_id: str
    params: Sequence[Mapping[str, str]]
    coding: str


def _now() -> datetime:
    return datetime.now(VIETNAM)


class VnptCarrier(HttpCarrier):
    """contract.Carrier, QueriedReceipts and Checked over VNPT's API; references are our request ids."""

    def __init__(self, link: LinkOptions, now: Callable[[], datetime] = _now) -> None:
        own = self.settings = read(link)
        super().__init__(link, own, own.per_submit)
        self.receipt_level = own.receipt_level
        self._now = now
        self._request_text = lru_cache(maxsize=256)(self._make_request_text)
        self._queries = StatusQueries(self.exchange, own, self.log)

    async def hand_over(self, messages: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """Send lists of one network each; split a list that is refused because of one number."""
        request_text = self._request_text(messages[0].text, messages[0].sender)
        if not isinstance(request_text, RequestText):
            return [request_text] * len(messages)
        results, lists = _sort(messages, request_text)
        requests = 0

        async def send(indices: Sequence[int]) -> Verdict:
            nonlocal requests
            requests += 1
            key = messages[indices[0]].key or uuid.uuid4().hex
            name = key if requests == 1 else f"{key}-{requests}"
            return await self._send(request_text, [messages[index].phone for index in indices], name)

        results |= await send_lists(lists, send)
        return [results[index] for index in range(len(messages))]

    async def query(self, question: Question) -> Receipt | None:
        """Ask for the status of one message; None if VNPT does not know it or does not answer now.

        ReadError if VNPT refuses the query. Sending goes on: an account may be allowed to send but not to
        query.
        """
        return await self._queries.receipt(question)

    async def check(self) -> Sequence[CheckFinding]:
        account = AccountCheck(self._queries.reply, self.settings, self._now().astimezone(VIETNAM).date())
        return await account.findings()

    def _make_request_text(self, text: str, sender: str) -> RequestText | Rejected | Halted:
        """Fit the text to a registered template; refuse it here if none fits."""
        own, composed = self.settings, nfc(text)
        if sender.casefold() != own.label.casefold():
            return Halted(
                "sender ID",
                Phrase(
                    "This link sends as {label} (label_id {id}), but the campaign as {sender}. "
                    "Give that sender ID its own link, or use this link's sender ID in the "
                    "campaign.",
                    label=own.label,
                    id=own.label_id,
                    sender=sender,
                ),
            )
        if self.segments(composed) > own.max_segments:
            return TOO_LONG
        found = fit(own.templates, composed)
        if found is None:
            known = ", ".join(template.id for template in own.templates)
            return Halted(
                "no template",
                Phrase(
                    "The campaign's text matches none of the link's templates ({known}). Have it "
                    "registered with VNPT, add it to templates, restart Loa and resume the link.",
                    known=known,
                ),
            )
        template, parameters = found
        # A template without parameters still needs one empty pair (V2).
        params = [{"NUM": str(n), "CONTENT": value} for n, value in enumerate(parameters or ("",), 1)]
        return RequestText(template.id, params, PLAIN if composed.isascii() else ACCENTED)

    async def _send(self, request_text: RequestText, phones: Sequence[str], request_id: str) -> Verdict:
        own = self.settings
        refusal = self.refusal()
        if refusal is not None:
            return Verdict(refusal)
        fields: codec.Fields = {
            "REQID": request_id,
            "LABELID": own.label_id,
            "CONTRACTTYPEID": own.contract_type,
            "CONTRACTID": own.contract_id,
            "TEMPLATEID": request_text.template_id,
            "PARAMS": request_text.params,
            "SCHEDULETIME": "",
            "MOBILELIST": ",".join(phones),
            "ISTELCOSUB": "0",
            "AGENTID": own.agent_id,
            "APIUSER": own.user,
            "APIPASS": own.password,
            "USERNAME": own.portal_user,
            "DATACODING": request_text.coding,
        }
        try:
            content = codec.body(own.format, own.xml_name, SEND, fields)
        except ValueError:
            return Verdict(BAD_TEXT)
        headers = {"Content-Type": codec.CONTENT_TYPES[own.format]}
        return self._read(await self.exchange("POST", content=content, headers=headers), request_id)

    def _read(self, answer: HttpAnswer | Failure, request_id: str) -> Verdict:
        """Return the verdict, with our request id if the list was or may have been taken."""
        found = codec.reply(answer) if isinstance(answer, HttpAnswer) else answer
        verdict = self._verdict(found) if isinstance(found, Mapping) else Verdict(found)
        match verdict.result:
            case Accepted():
                return Verdict(Accepted((request_id,)))
            case Unknown() as unknown:
                return Verdict(replace(unknown, refs=(request_id,)))
        return verdict

    def _verdict(self, reply: codec.Reply) -> Verdict:
        own = self.settings
        said = codec.said(reply, own.password, own.user)
        code = plain_code(reply.get("ERROR"))
        if code is None:
            return Verdict(Unknown("the answer has no code"))
        row = row_of(code)
        match row.becomes:
            case Wait() as wait:
                return Verdict(self._wait(code, wait), row.of_one_number)
            case Halted(_, reason):
                return Verdict(
                    Halted(
                        code, Phrase("{reason} VNPT: {said}", reason=reason, said=said) if said else reason
                    )
                )
            case Rejected(_, Reason.OTHER_NETWORK) as elsewhere:
                return Verdict(replace(elsewhere, network=network_in(codec.words(reply))), row.of_one_number)
            case Unknown(reason):
                return Verdict(Unknown(f"{reason}: {said}" if said else reason))
            case result:
                return Verdict(result, row.of_one_number)

    def _wait(self, code: str, wait: Wait) -> Deferred:
        """Return for how long to wait; a limit on all traffic of the link pauses the whole link."""
        now, blocked = self._now(), self.settings.blocked_hours
        if wait is Wait.TOMORROW:
            return Deferred(code, (blocked.open_tomorrow(now) - now).total_seconds())
        pause_s = self.settings.refused_pause_s
        if wait is Wait.HOURS and blocked.at(now):
            pause_s = (blocked.open_from(now) - now).total_seconds()
        self.hold_back(pause_s)
        return Deferred(code, pause_s)


def _sort(
    messages: Sequence[OutboundSms], request_text: RequestText
) -> tuple[dict[int, SubmitResult], list[Sequence[int]]]:
    """Return what is refused here, by index, and the rest in lists of one network each, by number range."""
    refused: dict[int, SubmitResult] = {}
    lists: dict[str, list[int]] = {}
    for index, sms in enumerate(messages):
        network = range_holder(sms.phone)
        if not re.fullmatch("84[0-9]{9}", sms.phone):
            refused[index] = BAD_PHONE
        elif request_text.coding == ACCENTED and network != OWN_NETWORK:
            refused[index] = ACCENTS_OFF_NET
        else:
            lists.setdefault(network, []).append(index)
    return refused, list(lists.values())


ADAPTER = Adapter(VnptCarrier, VnptSettings)

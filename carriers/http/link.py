"""What every carrier over HTTP shares: one request for each group of messages, and one reading of failures.

The rule that all of it serves: a request that may have been read by the carrier, and whose answer is lost or
can't be read, is Unknown. Only what certainly was not read is Deferred.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, ClassVar

import httpx
import structlog

from carriers.causes import cause_of
from carriers.contract import (
    NOT_SENT,
    Accepted,
    Deferred,
    Encoding,
    Halted,
    Limits,
    LinkHealth,
    LinkOptions,
    OutboundSms,
    Partial,
    Permit,
    ReceiptLevel,
    Rejected,
    SubmitResult,
    Unknown,
)
from carriers.health import HealthRecord
from carriers.http.answer import PAUSE_S, Failure, HttpAnswer, pause, read_answer, redirected
from carriers.http.request_slots import RequestSlots, Waiting
from carriers.http.settings import HttpSettings, tls_context
from carriers.http.surplus_answers import AnswerTimes, KeptConnection, PermitEndedError, Progress
from carriers.in_a_row import InARow
from carriers.permit import since_boot
from carriers.text import segments

# httpx writes every URL to its log, and some carriers want the password in it.
for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.WARNING)

CLOSED = Deferred("link closed", retry_after_s=1.0)
STALE = "the carrier had sent an answer too many before"
SURPLUS = "the carrier sent an answer too many"
HELD_BACK = Deferred("link held back", retry_after_s=1.0)
_permit: ContextVar[Permit | None] = ContextVar("permit", default=None)
_kept: ContextVar[KeptConnection | None] = ContextVar("kept", default=None)
# A carrier that leaves everything unclear is tried again so often at least.
_LONGEST_SILENCE_S = 300.0
_FEWEST_UNCLEAR = 3
_NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class HttpCarrier(ABC):
    """contract.Carrier over HTTP: an adapter writes `hand_over`, one request and the reading of its answer.

    Messages of one text and sender go out together, up to `per_submit`; `in_flight` requests at once.
    """

    receipt_level: ReceiptLevel = ReceiptLevel.NONE
    strange: ClassVar[str] = ""  # what refusals in words of no table may be about
    of_one_number: ClassVar[frozenset[str]] = frozenset()  # codes that speak of one message alone
    encodings: ClassVar[frozenset[Encoding]] = frozenset(Encoding)
    per_submit = 1

    def __init__(self, link: LinkOptions, settings: HttpSettings, per_submit: int = 1) -> None:
        self.name = link.name
        self.per_submit = per_submit
        self.limits = Limits(
            link.segments_per_second,
            settings.in_flight,
            per_submit,
            self.encodings,
            settings.max_segments,
            one_receipt=True,
        )
        self.queries_per_second = settings.queries_per_second
        self.log = structlog.get_logger("loa.http").bind(link=link.name)
        self._http = settings
        self._tls = tls_context(link, settings)
        self._client: httpx.AsyncClient | None = None
        self._room = RequestSlots(settings.in_flight)
        self._health = HealthRecord()
        self._times = AnswerTimes()
        self._waiting = Waiting(settings.answer_timeout_s)
        self._under_way: set[asyncio.Task[Sequence[SubmitResult]]] = set()
        self._halted: Halted | None = None
        self._not_before = 0.0  # on the event loop's clock
        self._in_a_row = InARow(settings.strange_in_a_row, self._health, self.strange, self.of_one_number)
        self._unclear_in_a_row = self._lost_probes = 0
        self._probing = False  # one message is out alone to see whether answers come again
        self._redirect: Halted | None = None

    # ---- contract.Carrier

    async def open(self) -> None:
        """Take messages from now on; a halted link tries again."""
        self._halted = self._redirect = None
        self._not_before = 0.0
        self._in_a_row.reopened()
        self._client = self._client or self._new_client()

    def _new_client(self) -> httpx.AsyncClient:
        own = self._http
        connections = own.in_flight + 1  # one beside the messages: logins and questions
        return httpx.AsyncClient(
            verify=self._tls,
            proxy=own.proxy or None,
            follow_redirects=False,  # a password goes to the configured host alone
            trust_env=False,
            headers={"Accept-Encoding": "gzip", "User-Agent": "loa"},
            timeout=httpx.Timeout(
                own.answer_timeout_s, connect=own.connect_timeout_s, write=own.write_timeout_s
            ),
            limits=httpx.Limits(
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=own.keep_alive_s,
            ),
        )

    async def close(self) -> None:
        """Let what is in flight finish within the answer time; what has not begun is deferred."""
        client, self._client = self._client, None
        self._health.closed()
        if self._under_way:
            await asyncio.wait(self._under_way)
        self._waiting.heard()  # the silence of a link that was left is no news
        if client is not None:
            await client.aclose()

    async def ready(self) -> None:
        """Return when a message may go; while the link is held back or halted, wait."""
        while True:
            wait_s = self._not_before - asyncio.get_running_loop().time()
            if self._client is not None and not (self._halted or self._probing) and wait_s <= 0:
                return
            await asyncio.sleep(max(0.05, min(wait_s, 1.0)))

    def health(self) -> LinkHealth:
        """How the link stands; before the first request nobody knows."""
        found = self._waiting.beside(self._health.facts())
        return replace(found, held=found.held or self._in_a_row.why_paused)

    def halted(self) -> Halted | None:
        """Why the link needs a person, or None."""
        return self._halted

    async def written(self) -> None:
        """Return when every request that was handed over has its place among those under way."""
        while len(self._under_way) > self._http.in_flight:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    def segments(self, text: str) -> int:
        """SMS parts of the text."""
        return segments(text)

    # ---- contract.PlainLine

    @property
    def plain_hosts(self) -> Sequence[str]:
        """The carrier's host, unless its address begins with https."""
        address = httpx.URL(self._http.base_url)
        return [] if address.scheme == "https" else [address.host]

    async def submit(self, parcel: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """One result for each message, in order; a cancelled call sends nothing that has not begun."""
        tasks = []
        for some in _alike(parcel, self.per_submit):
            task = asyncio.create_task(self._submit_some(some))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            tasks.append(task)
        # All of them first: who hears of an adapter's fault must find nothing under way.
        lists = await asyncio.gather(*tasks, return_exceptions=True)
        results: list[SubmitResult] = []
        for some_results in lists:
            if isinstance(some_results, BaseException):
                raise some_results
            results += some_results
        return results

    async def _submit_some(self, some: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        permit = some[0].permit
        if not await self._room.enter(permit):
            return [NOT_SENT] * len(some)
        try:
            refusal = self.refusal() or (HELD_BACK if self._probing else None)
            if refusal is not None:
                return [refusal] * len(some)
            _permit.set(permit)  # of this task alone: looked at again right before the request is written
            results = await self._hand_over_or_probe(some)
        finally:
            self._room.leave()
        self._look_for_a_halt(results)
        return results

    async def _hand_over_or_probe(self, some: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        probes = self._probing = self._too_unclear() >= 0 or bool(self._in_a_row.why_paused)
        try:
            answers = await self._own_answers(some)
        finally:
            self._probing = self._probing and not probes
        self._weigh(answers, probes)
        results = self._in_a_row.weigh(some, answers)
        self.hold_back(self._in_a_row.pause_left_s)
        return results

    async def _own_answers(self, some: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """What the adapter reads; a refusal after which another answer comes was not that of these."""
        kept = KeptConnection()
        _kept.set(kept)
        begun, ends = self._waiting.begin(), since_boot() + self._http.answer_timeout_s
        try:
            results = await self.hand_over(some)
            refused = any(isinstance(result, Deferred | Halted) for result in results)
            # Not beyond the time for an answer: who stops waits no longer than for one.
            surplus = await self._surplus(kept, ends - since_boot()) if refused else None
            return results if surplus is None else [surplus] * len(some)
        finally:
            self._waiting.end(begun)
            await kept.release()

    async def _surplus(self, kept: KeptConnection, within_s: float) -> Unknown | None:
        if not await kept.brings_more(min(self._times.patience_s, within_s)):
            return None
        self.log.error("an answer came that nobody had asked for", link=self.name)
        return Unknown(SURPLUS)

    def _look_for_a_halt(self, results: Sequence[SubmitResult]) -> None:
        """A refusal that holds for all; a redirect too, though what met it is unknown.

        A question that met one says nothing of messages: it stops nothing while they get their answers.
        """
        if any(isinstance(result, Accepted | Partial | Rejected) for result in results):
            self._redirect = None
        halted = next((result for result in results if isinstance(result, Halted)), self._redirect)
        if halted is not None and self._halted is None:
            self._halted = halted
            self._health.refused(f"{halted.code}: {halted.reason}")
            self._health.lost()
            self.log.error("link halted", code=halted.code)

    def _too_unclear(self) -> int:
        """By how many unclear results in a row the link has passed what it bears; below 0: by none."""
        return self._unclear_in_a_row - max(_FEWEST_UNCLEAR, self._http.in_flight)

    def _weigh(self, results: Sequence[SubmitResult], probes: bool) -> None:
        """Pause a link that leaves everything unclear, so that no batch becomes unknown message by message.

        Lost answers, or pages of a broken gateway: as many in a row as may be under way, and not one verdict.
        Fewer than twice as many become unknown before the link pauses; afterwards one goes alone after each
        pause, until a verdict comes.
        """
        if any(isinstance(result, Accepted | Partial | Rejected) for result in results):
            self._unclear_in_a_row = self._lost_probes = 0
            self._health.held = ""
            self._health.answered()
        elif any(isinstance(result, Unknown) for result in results):
            self._unclear_in_a_row += 1
            self._lost_probes = min(self._lost_probes + probes, 10)
            if self._too_unclear() >= 0:
                self._hold()
                self.hold_back(min(PAUSE_S * 2.0 ** (1 + self._lost_probes), _LONGEST_SILENCE_S))

    def _hold(self) -> None:
        why = f"{self._unclear_in_a_row} requests in a row without a clear answer"
        if not self._health.held:
            self.log.error("link is held", why=why)
        self._health.held, self._health.refusing_since = why, None

    def refusal(self) -> Halted | Deferred | None:
        """Why nothing may be sent at this moment; None where it may."""
        if self._client is None:
            return CLOSED
        if self._halted is not None:
            return self._halted
        wait_s = self._not_before - asyncio.get_running_loop().time()
        return Deferred("link held back", retry_after_s=wait_s) if wait_s > 0 else None

    def hold_back(self, for_s: float) -> None:
        """Send nothing for so long: the carrier has said when it will take messages again."""
        until = asyncio.get_running_loop().time() + for_s
        self._not_before = max(self._not_before, until)

    # ---- for adapters

    @abstractmethod
    async def hand_over(self, some: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """Send these (one text, one sender, `per_submit` at the most) and read the answer."""

    async def doubt(self) -> Unknown | None:
        """Why the newest answer may not be the message's own: to be asked before it is sent once more."""
        kept = self._own_kept()
        return None if kept is None else await self._surplus(kept, self._times.patience_s)

    @staticmethod
    def _own_kept() -> KeptConnection | None:
        kept = _kept.get()
        return kept if kept is not None and kept.is_own else None

    async def exchange(self, method: str, path: str = "", **request: Any) -> HttpAnswer | Failure:
        """One request to base_url + path (httpx's arguments), and its answer; or why there is none.

        Nothing is ever sent again here.
        """
        client, progress, kept = self._client, Progress(_permit.get()), self._own_kept()
        if kept is not None:
            await kept.release()
        if client is None:
            return CLOSED
        request["extensions"] = {"trace": progress.note}
        try:
            async with asyncio.timeout(self._http.answer_timeout_s):
                answer = await self._exchange(client, method, self._http.base_url + path, request, progress)
        except PermitEndedError:
            return NOT_SENT
        except (httpx.HTTPError, TimeoutError, OSError) as error:  # OSError: TLS that fails under the answer
            return self._failed(error, progress)
        if progress.is_stale:
            self.log.error("an answer was there before the request", path=path)
            return Unknown(STALE)
        if isinstance(answer, HttpAnswer):
            self._note(answer)
        return answer

    def _note(self, answer: HttpAnswer) -> None:
        """What the status says of the link, beside what it says of the message."""
        self._health.connected()
        self._waiting.heard()
        if answer.status == 503 or (answer.status == 429 and answer.retry_after_s):
            self.hold_back(pause(answer))
        self._redirect = redirected(answer) or self._redirect

    def _failed(self, error: Exception, progress: Progress) -> Failure:
        if isinstance(error, _NO_CONNECTION) or progress.is_untold:
            self.hold_back(PAUSE_S)
            self._health.refused(f"no connection: {cause_of(error)}")
            self._health.lost()
            return Deferred(f"no connection: {cause_of(error)}", PAUSE_S)
        self._health.refused(f"the answer was lost: {cause_of(error)}")
        return Unknown(f"the answer was lost: {cause_of(error)}")

    async def _exchange(
        self,
        client: httpx.AsyncClient,
        method: str,
        address: str,
        request: Mapping[str, Any],
        progress: Progress,
    ) -> HttpAnswer | Failure:
        kept, begun = self._own_kept(), asyncio.get_running_loop().time()
        async with AsyncExitStack() as leaving:
            response = await client.send(client.build_request(method, address, **request), stream=True)
            leaving.push_async_callback(response.aclose)
            if progress.is_stale:  # what comes next on this connection belongs to nobody knows what
                await response.extensions["network_stream"].aclose()
            answer = await read_answer(response, self._http.longest_answer_kb, self._http.http_statuses)
            self._times.note(asyncio.get_running_loop().time() - begun)
            doubtful = isinstance(answer, HttpAnswer) and progress.is_later and not progress.is_stale
            if kept is not None and doubtful:
                kept.keep(response)
                leaving.pop_all()
        return answer


def _alike(parcel: Sequence[OutboundSms], most: int) -> Iterator[Sequence[OutboundSms]]:
    """Neighbours of one text, one sender and one history, at most so many."""
    start = 0
    for index in range(1, len(parcel) + 1):
        first = parcel[start]
        if index < len(parcel) and index - start < most:
            here = parcel[index]
            alike = (here.text, here.sender, here.again) == (first.text, first.sender, first.again)
            if alike and here.permit is first.permit:
                continue
        yield parcel[start:index]
        start = index

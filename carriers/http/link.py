"""The base of adapters over HTTP: one request per group of messages, and one classification of failures.

The rule behind all of it: if the carrier may have read a request and its answer is lost or unreadable, the
result is Unknown. Only what certainly was not read is Deferred.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from itertools import count
from typing import Any, ClassVar

import httpcore
import httpx
import structlog

from carriers.causes import cause_of
from carriers.contract import (
    NOT_SENT,
    Accepted,
    Deferred,
    Encoding,
    Halted,
    HealthRecord,
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
    said_after,
    since_boot,
)
from carriers.http.answer import PAUSE_S, Failure, HttpAnswer, pause, read_answer, redirected
from carriers.http.settings import HttpSettings, tls_context
from carriers.phrases import Phrase
from carriers.refusal_streak import RefusalStreak
from carriers.text import segments

# httpx logs every URL, and some carriers want the password in it.
for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.WARNING)

CLOSED = Deferred("link closed", retry_after_s=1.0)
STALE = "the carrier had sent an unexpected extra answer before"
SURPLUS = "the carrier sent an unexpected extra answer"
HELD_BACK = Deferred("link held back", retry_after_s=1.0)
_permit: ContextVar[Permit | None] = ContextVar("permit", default=None)
_kept: ContextVar[KeptConnection | None] = ContextVar("kept", default=None)
# The longest pause between probes of a carrier whose answers are all unclear.
_LONGEST_SILENCE_S = 300.0
_FEWEST_UNCLEAR = 3
_NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


# ---- Requests in flight; a waiting request gives up when its permit ends

# Report silence after this long, or after two thirds of a shorter answer timeout.
SAID_AFTER_S = 20.0


class Waiting:
    """Tracks messages that wait for answers; a silence lasts until the carrier sends anything."""

    def __init__(self, answer_timeout_s: float) -> None:
        self._said_after_s = min(SAID_AFTER_S, answer_timeout_s * 2 / 3)
        self._waiting_said_after_s = said_after(answer_timeout_s)
        self._begun: dict[int, float] = {}
        self._numbers = count()
        self._silent_since: float | None = None  # when a message given up without an answer was sent

    def begin(self) -> int:
        """Note that a message goes out; return the number to pass to `end`."""
        number = next(self._numbers)
        self._begun[number] = since_boot()
        return number

    def end(self, number: int) -> None:
        """Note that the message waits no more; if it had waited long, the silence goes on."""
        begun = self._begun.pop(number)
        if self._silent_since is None and since_boot() - begun >= self._said_after_s:
            self._silent_since = begun

    def heard(self) -> None:
        """Note any answer: requests still waiting count from now on."""
        self._silent_since, self._begun = None, dict.fromkeys(self._begun, since_boot())

    def beside(self, facts: LinkHealth) -> LinkHealth:
        """Add a long silence to the facts, as `probing`: without an answer nobody knows whether they go."""
        since = self._silent_since
        if since is None:
            since = min(self._begun.values(), default=None)
        if since is None or facts.probing or since_boot() - since < self._waiting_said_after_s:
            return facts
        facts = replace(facts, waiting_since=since)
        if since_boot() - since < self._said_after_s:
            return facts
        probing = Phrase("no answer for {seconds} s", seconds=f"{self._said_after_s:g}")
        return replace(
            facts, probing=probing, connected_since=facts.connected_since or since, lost_since=None
        )


class RequestSlots:
    """Hands out slots in the order of asking."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[asyncio.Future[bool]] = deque()

    async def enter(self, permit: Permit | None) -> bool:
        """Wait for a slot; return False, holding none, if the permit has ended by then."""
        if self._free > 0 and not self._waiting:
            self._free -= 1
            has_slot = True
        else:
            has_slot = await self._wait_for_slot(permit)
        if has_slot and permit is not None and not permit.stands:
            self.leave()
            return False
        return has_slot

    async def _wait_for_slot(self, permit: Permit | None) -> bool:
        slot: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(slot)
        try:
            with (
                nullcontext()
                if permit is None
                else permit.when_withdrawn(lambda: _settle(slot, has_slot=False))
            ):
                return await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled() and slot.result():
                self.leave()
            raise

    def leave(self) -> None:
        """Pass the slot to whoever has waited longest."""
        while self._waiting:
            if _settle(self._waiting.popleft(), has_slot=True):
                return
        self._free += 1


def _settle(slot: asyncio.Future[bool], *, has_slot: bool) -> bool:
    if slot.done():
        return False
    slot.set_result(has_slot)
    return True


# ---- Surplus answers

# A server that answers a request twice shifts all later answers on that connection by one. A refusal of the
# previous request, read as this one's, would have a message that was taken sent a second time. The message's
# own answer then follows on the same connection. So after a refusal on a reused connection, the connection is
# kept and listened to for a while; the first request of a connection has no earlier answer to receive.


class PermitEndedError(Exception):
    """Raised before the first byte of a request is written: nothing of it was sent."""


class Progress:
    """Tracks by httpcore's trace how far a request got: unwritten, written, or answered too early."""

    def __init__(self, permit: Permit | None) -> None:
        self._permit = permit
        self._has_started = self._is_written = self._has_waited = False
        self._is_first = False  # whether it is the first request of its connection
        self.is_stale = False  # whether an answer was there before anything could come from the network

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        self._has_started = True
        self._is_first |= event.startswith("connection.connect")
        if event.endswith("send_request_headers.started"):
            if self._permit is not None and not self._permit.stands:
                raise PermitEndedError
            # CONNECT goes to the proxy only.
            self._is_written = info["request"].method != b"CONNECT"
        elif event.endswith("receive_response_headers.started"):
            self._has_waited = False
            asyncio.get_running_loop().call_soon(self._wait)
        elif event.endswith("receive_response_headers.complete"):
            # Reading from the socket takes at least one turn of the event loop. An answer without one was
            # already in the connection's buffer: a surplus answer to an earlier request.
            self.is_stale |= not self._has_waited

    def _wait(self) -> None:
        self._has_waited = True

    @property
    def is_unwritten(self) -> bool:
        """Whether nothing was written to the carrier; False if httpcore reported nothing."""
        return self._has_started and not self._is_written

    @property
    def is_reused(self) -> bool:
        return self._has_started and not self._is_first


# Listen at least _SHORTEST_S, else _TIMES as long as recent answers took; _FADES per answer forgets old ones.
_SHORTEST_S = 0.25
_TIMES = 4.0
_FADES = 0.98


class AnswerTimes:
    """Tracks how long a carrier's answers take, weighted towards recent slow ones."""

    def __init__(self) -> None:
        self._slowest_s = 0.0

    def note(self, seconds: float) -> None:
        self._slowest_s = max(seconds, _FADES * self._slowest_s)

    @property
    def patience_s(self) -> float:
        return max(_SHORTEST_S, _TIMES * self._slowest_s)


class KeptConnection:
    """The connection of the latest answer to a message, held until the answer is understood."""

    def __init__(self) -> None:
        self._response: httpx.Response | None = None
        self._task = asyncio.current_task()

    @property
    def is_own(self) -> bool:
        """Whether the message's own task asks: a login that it started runs on without it, for others."""
        return asyncio.current_task() is self._task

    def keep(self, response: httpx.Response) -> None:
        """Keep its connection out of the pool until `release`."""
        self._response = response

    async def release(self) -> None:
        """Return the connection to the pool, unless it was closed."""
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()

    async def brings_more(self, for_s: float) -> bool:
        """Whether another answer follows; closes the connection in any case."""
        response = self._response
        if response is None:
            return False
        stream: httpcore.AsyncNetworkStream = response.extensions["network_stream"]
        try:
            return bool(_left_over(response) or await stream.read(1, timeout=max(for_s, _SHORTEST_S)))
        except httpcore.TimeoutException:
            return False  # nothing came
        except (httpcore.NetworkError, OSError):
            return False  # it broke
        finally:
            await asyncio.shield(stream.aclose())


def _left_over(response: httpx.Response) -> bytes:
    """Return bytes received together with the answer that are not part of it.

    httpx does not expose them, so they are read from its connection's parser. If that can't be found, assume
    that there are some.
    """
    inner: object = response.stream
    for name in ("_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state"):
        inner = getattr(inner, name, None)
    data, _ = getattr(inner, "trailing_data", (b"?", False))
    return bytes(data)


class HttpCarrier(ABC):
    """contract.Carrier over HTTP; an adapter implements `hand_over`: one request and its answer.

    Messages with the same text and sender go out together, up to `per_submit`; `in_flight` requests at once.
    """

    receipt_level: ReceiptLevel = ReceiptLevel.NONE
    strange: ClassVar[str] = ""  # what refusals for an unknown reason may be about
    of_one_number: ClassVar[frozenset[str]] = frozenset()  # codes that concern one message only
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
        self._slots = RequestSlots(settings.in_flight)
        self._health = HealthRecord()
        self._times = AnswerTimes()
        self._waiting = Waiting(settings.answer_timeout_s)
        self._tasks: set[asyncio.Task[Sequence[SubmitResult]]] = set()
        self._halted: Halted | None = None
        self._not_before = 0.0  # on the event loop's clock
        self._refusals = RefusalStreak(
            settings.strange_in_a_row, self._health, self.strange, self.of_one_number
        )
        self._unclear_in_a_row = self._lost_probes = 0
        self._probing = False  # one message is out alone to see whether answers come again
        self._redirect: Halted | None = None

    async def open(self) -> None:
        self._halted = self._redirect = None
        self._not_before = 0.0
        self._refusals.reopened()
        self._client = self._client or self._new_client()

    def _new_client(self) -> httpx.AsyncClient:
        own = self._http
        connections = own.in_flight + 1  # one more for logins and status queries
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
        """Wait for requests in flight, at most the answer timeout; defer what has not begun."""
        client, self._client = self._client, None
        self._health.closed()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._waiting.heard()  # a closed link is silent on purpose
        if client is not None:
            await client.aclose()

    async def ready(self) -> None:
        while True:
            wait_s = self._not_before - asyncio.get_running_loop().time()
            if self._client is not None and not (self._halted or self._probing) and wait_s <= 0:
                return
            await asyncio.sleep(max(0.05, min(wait_s, 1.0)))

    def health(self) -> LinkHealth:
        """Return the link's state; unknown before the first request."""
        found = self._waiting.beside(self._health.facts())
        return replace(found, probing=found.probing or self._refusals.why_paused)

    def halted(self) -> Halted | None:
        return self._halted

    async def written(self) -> None:
        """Wait until every submitted request has a slot."""
        while len(self._tasks) > self._http.in_flight:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    def segments(self, text: str) -> int:
        return segments(text)

    @property
    def plain_hosts(self) -> Sequence[str]:
        address = httpx.URL(self._http.base_url)
        return [] if address.scheme == "https" else [address.host]

    async def submit(self, messages: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """Return one result for each message, in order; a cancelled call sends nothing that has not begun."""
        tasks = []
        for some in _alike(messages, self.per_submit):
            task = asyncio.create_task(self._submit_some(some))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            tasks.append(task)
        # Wait for all first: when an adapter's bug is raised, nothing may still be in flight.
        lists = await asyncio.gather(*tasks, return_exceptions=True)
        results: list[SubmitResult] = []
        for some_results in lists:
            if isinstance(some_results, BaseException):
                raise some_results
            results += some_results
        return results

    async def _submit_some(self, messages: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        permit = messages[0].permit
        if not await self._slots.enter(permit):
            return [NOT_SENT] * len(messages)
        try:
            refusal = self.refusal() or (HELD_BACK if self._probing else None)
            if refusal is not None:
                return [refusal] * len(messages)
            _permit.set(permit)  # local to this task; checked again right before the request is written
            results = await self._hand_over_or_probe(messages)
        finally:
            self._slots.leave()
        self._halt_if_refused(results)
        return results

    async def _hand_over_or_probe(self, messages: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        probes = self._probing = self._unclear_excess() >= 0 or bool(self._refusals.why_paused)
        try:
            answers = await self._hand_over_checked(messages)
        finally:
            self._probing = self._probing and not probes
        self._pause_if_unclear(answers, probes)
        results = self._refusals.count(messages, answers)
        self.hold_back(self._refusals.pause_left_s)
        return results

    async def _hand_over_checked(self, messages: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """Send, and check that a refusal was the answer to these messages and not to earlier ones."""
        kept = KeptConnection()
        _kept.set(kept)
        started, ends = self._waiting.begin(), since_boot() + self._http.answer_timeout_s
        try:
            results = await self.hand_over(messages)
            refused = any(isinstance(result, Deferred | Halted) for result in results)
            # Not beyond the answer timeout: stopping must take no longer than one answer.
            surplus = await self._surplus(kept, ends - since_boot()) if refused else None
            return results if surplus is None else [surplus] * len(messages)
        finally:
            self._waiting.end(started)
            await kept.release()

    async def _surplus(self, connection: KeptConnection, within_s: float) -> Unknown | None:
        if not await connection.brings_more(min(self._times.patience_s, within_s)):
            return None
        self.log.error("an answer arrived without a request", link=self.name)
        return Unknown(SURPLUS)

    def _halt_if_refused(self, results: Sequence[SubmitResult]) -> None:
        """Halt the link on a refusal that holds for all messages, or on a redirect.

        A status query that was redirected says nothing about messages: it stops nothing while they are
        answered.
        """
        if any(isinstance(result, Accepted | Partial | Rejected) for result in results):
            self._redirect = None
        halted = next((result for result in results if isinstance(result, Halted)), self._redirect)
        if halted is not None and self._halted is None:
            self._halted = halted
            self._health.refused(f"{halted.code}: {halted.reason}")
            self._health.lost()
            self.log.error("link halted", code=halted.code)

    def _unclear_excess(self) -> int:
        """Return how far the unclear results in a row exceed what is tolerated; negative if not."""
        return self._unclear_in_a_row - max(_FEWEST_UNCLEAR, self._http.in_flight)

    def _pause_if_unclear(self, results: Sequence[SubmitResult], probes: bool) -> None:
        """Pause a link whose results are all unclear, so that a batch does not become unknown one by one.

        The limit is as many unclear results in a row (lost answers, pages of a broken gateway) as requests
        may be in flight, so fewer than twice as many become unknown before the pause. Afterwards one message
        goes alone after each pause, until a clear result comes.
        """
        if any(isinstance(result, Accepted | Partial | Rejected) for result in results):
            self._unclear_in_a_row = self._lost_probes = 0
            self._health.probing = ""
            self._health.answered()
        elif unclear := [result for result in results if isinstance(result, Unknown)]:
            if any(result.throttled for result in unclear):
                self.hold_back(PAUSE_S)  # whatever its pace: each "too fast" may cost an unknown message
            self._unclear_in_a_row += 1
            self._lost_probes = min(self._lost_probes + probes, 10)
            if self._unclear_excess() >= 0:
                self._mark_held()
                self.hold_back(min(PAUSE_S * 2.0 ** (1 + self._lost_probes), _LONGEST_SILENCE_S))

    def _mark_held(self) -> None:
        why = Phrase("{n} requests in a row had no clear answer", n=self._unclear_in_a_row)
        if not self._health.probing:
            self.log.error("link is probing", why=why)
        self._health.probing, self._health.refusing_since = why, None

    def refusal(self) -> Halted | Deferred | None:
        """Return why nothing may be sent now; None if it may."""
        if self._client is None:
            return CLOSED
        if self._halted is not None:
            return self._halted
        wait_s = self._not_before - asyncio.get_running_loop().time()
        return Deferred("link held back", retry_after_s=wait_s) if wait_s > 0 else None

    def hold_back(self, for_s: float) -> None:
        """Send nothing for so many seconds: the carrier has said when it will take messages again."""
        until = asyncio.get_running_loop().time() + for_s
        self._not_before = max(self._not_before, until)

    # For adapters

    @abstractmethod
    async def hand_over(self, messages: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """Send these (one text, one sender, at most `per_submit`) and parse the answer."""

    async def why_uncertain(self) -> Unknown | None:
        """Return why the latest answer may not be the message's own; ask this before sending it once more."""
        kept = self._own_kept()
        return None if kept is None else await self._surplus(kept, self._times.patience_s)

    @staticmethod
    def _own_kept() -> KeptConnection | None:
        kept = _kept.get()
        return kept if kept is not None and kept.is_own else None

    async def exchange(self, method: str, path: str = "", **request: Any) -> HttpAnswer | Failure:
        """Send one request to base_url + path (httpx's arguments); return its answer, or a failure.

        Never retries.
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
        except (httpx.HTTPError, TimeoutError, OSError) as error:  # OSError: TLS failing during the answer
            return self._failed(error, progress)
        if progress.is_stale:
            self.log.error("the server answered before the request was sent", path=path)
            return Unknown(STALE)
        if isinstance(answer, HttpAnswer):
            self._note_status(answer)
        return answer

    def _note_status(self, answer: HttpAnswer) -> None:
        self._health.connected()
        self._waiting.heard()
        if answer.status == 503 or (answer.status == 429 and answer.retry_after_s):
            self.hold_back(pause(answer))
        self._redirect = redirected(answer) or self._redirect

    def _failed(self, error: Exception, progress: Progress) -> Failure:
        if isinstance(error, _NO_CONNECTION) or progress.is_unwritten:
            self.hold_back(PAUSE_S)
            self._health.refused(Phrase("no connection: {why}", why=cause_of(error)))
            self._health.lost()
            return Deferred(Phrase("no connection: {why}", why=cause_of(error)), PAUSE_S)
        self._health.refused(Phrase("the answer was lost: {why}", why=cause_of(error)))
        return Unknown(Phrase("the answer was lost: {why}", why=cause_of(error)))

    async def _exchange(
        self,
        client: httpx.AsyncClient,
        method: str,
        address: str,
        request: Mapping[str, Any],
        progress: Progress,
    ) -> HttpAnswer | Failure:
        kept, started = self._own_kept(), asyncio.get_running_loop().time()
        async with AsyncExitStack() as cleanup:
            response = await client.send(client.build_request(method, address, **request), stream=True)
            cleanup.push_async_callback(response.aclose)
            if progress.is_stale:  # further answers on this connection belong to unknown requests
                await response.extensions["network_stream"].aclose()
            answer = await read_answer(response, self._http.longest_answer_kb, self._http.http_statuses)
            self._times.note(asyncio.get_running_loop().time() - started)
            may_be_surplus = isinstance(answer, HttpAnswer) and progress.is_reused and not progress.is_stale
            if kept is not None and may_be_surplus:
                kept.keep(response)
                cleanup.pop_all()
        return answer


def _alike(messages: Sequence[OutboundSms], most: int) -> Iterator[Sequence[OutboundSms]]:
    """Split into runs of messages with equal text, sender and permit, at most `most` each."""
    start = 0
    for index in range(1, len(messages) + 1):
        first = messages[start]
        if index < len(messages) and index - start < most:
            here = messages[index]
            alike = (here.text, here.sender) == (first.text, first.sender)
            if alike and here.permit is first.permit:
                continue
        yield messages[start:index]
        start = index

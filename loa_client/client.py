"""The two clients: the same operations over httpx's blocking and asynchronous transports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self, TypeVar

import httpx

from loa_client.api import Operations
from loa_client.exchange import EventReader, Exchange, Outcome, Send
from loa_client.operation import Awaiting, Blocking, Call

T = TypeVar("T")

_BETWEEN_STREAMS_S = 1.0  # the server ends a stream of events after five minutes


def _options(server: str, key: str | None, http: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return {"base_url": server, "headers": headers, "timeout": 60} | http


def _sleep(seconds: float) -> Outcome:
    time.sleep(seconds)
    return None


def _remember_token(http: httpx.Client | httpx.AsyncClient, answer: Any) -> None:
    """Keep what a session's changes repeat; with a key there is none."""
    if token := getattr(answer, "csrf_token", None):
        http.headers["X-CSRF-Token"] = token


class LoaClient(Operations, Blocking):
    """Client of one server with one key; a context manager.

    patience_s: for how long a server that is away is asked again. Further options go to httpx.Client, such as
    `timeout`, `verify` and `transport`. Without a key, sign in by `log_in`.
    """

    def __init__(self, server: str, key: str | None = None, *, patience_s: float = 60.0, **http: Any) -> None:
        self._exchange = Exchange(server, patience_s)
        self._http = httpx.Client(**_options(server, key, http))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def with_etag(self, call: Call[T]) -> tuple[T, str | None]:
        response = self._ask(call)
        answer = self._exchange.read(call, response)
        _remember_token(self._http, answer)
        return answer, response.headers.get("ETag")

    def iterate(self, call: Call[T]) -> Iterator[T]:
        return self._events(call) if call.is_stream else self._pages(call)

    def _pages(self, call: Call[T]) -> Iterator[T]:
        following: Call[Any] | None = call
        while following:
            items, following = self._exchange.page(following, self._ask(following))
            yield from items

    def _events(self, call: Call[Any]) -> Iterator[Any]:
        reader = EventReader(call)
        while (answer := self._ask(reader.call)).status_code == httpx.codes.OK:
            try:
                for line in answer.iter_lines():
                    yield from reader.feed(line)
                    if reader.is_over:
                        return
            except httpx.TransportError:
                pass  # asked for again, from the last event on
            finally:
                answer.close()
            _sleep(_BETWEEN_STREAMS_S)

    def _ask(self, call: Call[Any]) -> httpx.Response:
        steps, outcome = self._exchange.steps(call), None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            outcome = self._send(step) if isinstance(step, Send) else _sleep(step.seconds)

    def _send(self, step: Send) -> Outcome:
        call = step.call
        try:
            with call.options() as options:
                request = self._http.build_request(call.method, call.path, **options)
                answer = self._http.send(request, stream=call.is_stream)
                if answer.is_error:
                    answer.read()
                return answer
        except httpx.TransportError as error:
            return error


class AsyncLoaClient(Operations, Awaiting):
    """The same under asyncio: methods are awaited, lists and events are read by `async for`."""

    def __init__(self, server: str, key: str | None = None, *, patience_s: float = 60.0, **http: Any) -> None:
        self._exchange = Exchange(server, patience_s)
        self._http = httpx.AsyncClient(**_options(server, key, http))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def with_etag(self, call: Call[T]) -> tuple[T, str | None]:
        response = await self._ask(call)
        answer = self._exchange.read(call, response)
        _remember_token(self._http, answer)
        return answer, response.headers.get("ETag")

    def iterate(self, call: Call[T]) -> AsyncIterator[T]:
        return self._events(call) if call.is_stream else self._pages(call)

    async def _pages(self, call: Call[T]) -> AsyncIterator[T]:
        following: Call[Any] | None = call
        while following:
            items, following = self._exchange.page(following, await self._ask(following))
            for each in items:
                yield each

    async def _events(self, call: Call[Any]) -> AsyncIterator[Any]:
        reader = EventReader(call)
        while (answer := await self._ask(reader.call)).status_code == httpx.codes.OK:
            try:
                async for line in answer.aiter_lines():
                    for each in reader.feed(line):
                        yield each
                    if reader.is_over:
                        return
            except httpx.TransportError:
                pass  # asked for again, from the last event on
            finally:
                await answer.aclose()
            await asyncio.sleep(_BETWEEN_STREAMS_S)

    async def _ask(self, call: Call[Any]) -> httpx.Response:
        steps, outcome = self._exchange.steps(call), None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            outcome = await (self._send(step) if isinstance(step, Send) else asyncio.sleep(step.seconds))

    async def _send(self, step: Send) -> Outcome:
        call = step.call
        try:
            with call.options() as options:
                request = self._http.build_request(call.method, call.path, **options)
                answer = await self._http.send(request, stream=call.is_stream)
                if answer.is_error:
                    await answer.aread()
                return answer
        except httpx.TransportError as error:
            return error

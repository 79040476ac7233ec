"""Answers that belong to an earlier request and come while the next one is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from carriers.contract import Accepted, Deferred, Halted, LinkOptions, OutboundSms, SubmitResult, Unknown
from carriers.http import HttpAnswer
from tests.carriers.http.peer import OK, PATIENT, Peer, PlainCarrier, Request, Wire, letters, link, page
from tests.carriers.smpp.peer import until

TOO_FAST = page(b"", status="429 Too Many Requests")
CONTRACT = {429: "throttled"}
NO_ACCOUNT = page(b"", status="403 Forbidden")


@pytest.mark.parametrize("surplus", [TOO_FAST, NO_ACCOUNT], ids=["429", "403"])
@pytest.mark.parametrize("pause_s", [0.0, 0.05], ids=["in one packet", "apart"])
async def test_an_answer_too_many_that_comes_under_the_next_request_is_nobodys(
    surplus: bytes, pause_s: float
) -> None:
    async def second_is_answered_twice(wire: Wire, request: Request) -> None:
        if len(peer.requests) == 2:
            wire.send(surplus)  # of the request before
            await asyncio.sleep(pause_s)
        wire.send(OK)

    async with Peer(second_is_answered_twice) as peer, link(peer.url, http_statuses=CONTRACT) as carrier:
        results = []
        for _ in range(4):
            results += await carrier.submit(letters(1))
        assert [type(each) for each in results] == [Accepted, Unknown, Accepted, Accepted]
        assert [request.connection for request in peer.requests] == [1, 1, 2, 2]
        assert carrier.halted() is None


async def test_what_refuses_alone_on_a_kept_connection_is_believed_and_the_connection_left() -> None:
    async def throttles_the_second(wire: Wire, request: Request) -> None:
        wire.send(TOO_FAST if len(peer.requests) == 2 else OK)

    async with Peer(throttles_the_second) as peer, link(peer.url, http_statuses=CONTRACT) as carrier:
        results = []
        for _ in range(3):
            results += await carrier.submit(letters(1))
        assert [type(each) for each in results] == [Accepted, Deferred, Accepted]
        assert [request.connection for request in peer.requests] == [1, 1, 2]


async def test_a_refusal_as_the_first_answer_of_its_connection_is_believed_at_once() -> None:
    async def refuses(wire: Wire, request: Request) -> None:
        wire.send(NO_ACCOUNT)

    async with Peer(refuses) as peer, link(peer.url) as carrier:
        assert isinstance((await carrier.submit(letters(1)))[0], Halted)


@pytest.mark.longer
async def test_the_answer_to_a_request_that_was_given_up_is_not_the_next_ones() -> None:
    given_up = asyncio.Event()

    async def late(wire: Wire, request: Request) -> None:
        if len(peer.requests) == 2:
            await given_up.wait()
            wire.send(TOO_FAST)
        else:
            wire.send(OK)

    async with Peer(late) as peer, link(peer.url, answer_timeout_s=1, in_flight=1) as carrier:
        results = list(await carrier.submit(letters(1)))
        results += await carrier.submit(letters(1))
        given_up.set()
        results += await carrier.submit(letters(1))
        assert [type(each) for each in results] == [Accepted, Unknown, Accepted]
        assert [request.connection for request in peer.requests] == [1, 1, 2]


class SaysInTheBody(PlainCarrier):
    """An adapter whose carrier says in a page with status 200 that it is too much."""

    async def hand_over(self, some: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        answer = await self.exchange("POST", "/send", json={"to": some[0].phone})
        if not isinstance(answer, HttpAnswer):
            return [answer]
        return [Accepted() if answer.text == "ok" else Deferred("busy", throttled=True)]


async def test_a_refusal_in_the_body_of_an_answer_is_weighed_as_well() -> None:
    async def second_is_answered_twice(wire: Wire, request: Request) -> None:
        wire.send(page(b"busy") + OK if len(peer.requests) == 2 else OK)

    async with Peer(second_is_answered_twice) as peer:
        options = {**PATIENT, "base_url": peer.url, "password": "s3cr3t-w0rd"}
        carrier = SaysInTheBody(LinkOptions("body-1", "plain", 100.0, options))
        await carrier.open()
        try:
            results = [(await carrier.submit(letters(1)))[0] for _ in range(3)]
        finally:
            await carrier.close()
        assert [type(each) for each in results] == [Accepted, Unknown, Accepted]


async def test_a_throttled_link_is_left_alone_before_the_answer_is_weighed() -> None:
    """What the carrier says of its pace holds at once for the messages beside it."""
    busy = page(b"", "Retry-After: 60", status="429 Too Many Requests")

    async def throttles_the_second(wire: Wire, request: Request) -> None:
        wire.send(busy if len(peer.requests) == 2 else OK)

    async with Peer(throttles_the_second) as peer, link(peer.url, http_statuses=CONTRACT) as carrier:
        assert await carrier.submit(letters(1)) == [Accepted()]
        weighed = asyncio.create_task(carrier.submit(letters(1)))
        await until(lambda: carrier.refusal() is not None)
        assert isinstance((await carrier.submit(letters(1)))[0], Deferred)
        assert isinstance((await weighed)[0], Deferred)
        assert len(peer.requests) == 2

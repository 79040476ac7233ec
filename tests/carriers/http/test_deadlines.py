"""Deadlines apart, and the line between them: not yet written is deferred, written is unknown."""

from __future__ import annotations

import asyncio
import time

import pytest

from carriers.contract import Accepted, Deferred, Unknown
from tests.carriers.http.peer import (
    OK,
    Handle,
    Peer,
    PlainCarrier,
    Request,
    Wire,
    answering,
    letters,
    link,
    ok,
    page,
    silent,
)
from tests.carriers.http_harness import mute
from tests.ports import refusing


async def seconds_of(carrier: PlainCarrier, text: str = "Canh bao") -> tuple[object, float]:
    started = time.monotonic()
    (result,) = await carrier.submit(letters(1, text))
    return result, time.monotonic() - started


async def test_the_connect_deadline_ends_a_handshake_and_nothing_was_written() -> None:
    async with (
        mute() as port,
        link(f"https://127.0.0.1:{port}", connect_timeout_s=0.1) as carrier,
    ):
        result, seconds = await seconds_of(carrier)
    assert isinstance(result, Deferred)
    assert not result.counts
    assert seconds < 5


async def test_the_answer_deadline_ends_a_handshake_too_and_still_nothing_was_written() -> None:
    async with (
        mute() as port,
        link(f"https://127.0.0.1:{port}", answer_timeout_s=0.1) as carrier,
    ):
        result, seconds = await seconds_of(carrier)
    assert isinstance(result, Deferred)
    assert seconds < 5


async def test_a_refused_connection_defers_and_holds_the_link_back() -> None:
    with refusing() as port:
        async with link(f"http://127.0.0.1:{port}") as carrier:
            assert [type(each) for each in await carrier.submit(letters(3))] == [Deferred] * 3
            assert isinstance(carrier.refusal(), Deferred)


@pytest.mark.longer
async def test_the_write_deadline_ends_a_request_that_nobody_reads() -> None:
    async with Peer(reads=False) as peer, link(peer.url, write_timeout_s=0.2) as carrier:
        result, seconds = await seconds_of(carrier, "a" * 20_000_000)
    assert isinstance(result, Unknown)
    assert "the answer was lost: sending the request timed out" in result.reason
    assert seconds < 5


async def test_the_answer_deadline_ends_a_silence_after_the_request() -> None:
    async with Peer(silent) as peer, link(peer.url, answer_timeout_s=0.2) as carrier:
        result, seconds = await seconds_of(carrier)
        assert len(peer.requests) == 1
    assert isinstance(result, Unknown)
    assert seconds < 5


async def test_the_answer_deadline_is_of_the_whole_answer_not_of_each_byte() -> None:
    async def trickle(wire: Wire, request: Request) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not wire.writer.transport.is_closing():
            wire.send(b" ")
            await asyncio.sleep(0.02)

    async with Peer(trickle) as peer, link(peer.url, answer_timeout_s=0.3) as carrier:
        result, seconds = await seconds_of(carrier)
    assert isinstance(result, Unknown)
    assert seconds < 5


@pytest.mark.parametrize(
    "cut",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        OK[:-1],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n",
        b"220 sms.example.vn ESMTP ready\r\n",
        b"\x00\x00\x00\x10\x80\x00\x00\x00\x00\x00\x00\x0d\x00\x00\x00\x00",
    ],
    ids=["nothing", "head", "body", "chunks", "no chunk", "mail server", "SMPP"],
)
async def test_a_cut_or_strange_answer_is_unknown(cut: bytes) -> None:
    async with Peer(answering(cut, then_close=True)) as peer, link(peer.url) as carrier:
        (result,) = await carrier.submit(letters(1))
        assert len(peer.requests) == 1
    assert isinstance(result, Unknown)


async def test_a_reset_in_place_of_an_answer_is_unknown() -> None:
    async def reset(wire: Wire, request: Request) -> None:
        wire.writer.transport.abort()

    async with Peer(reset) as peer, link(peer.url) as carrier:
        assert isinstance((await carrier.submit(letters(1)))[0], Unknown)


UNCLEAR = {
    "silence": silent,
    "a gateway that has lost the answer": answering(page(b"", status="503 Backend fetch failed")),
    "a gateway's page": answering(page(b"<html></html>", status="502 Bad Gateway")),
    "another page": answering(page(b"<html>Maintenance</html>")),
}


@pytest.mark.longer
@pytest.mark.parametrize("handle", UNCLEAR.values(), ids=list(UNCLEAR))
async def test_a_carrier_that_leaves_all_unclear_gets_less_than_twice_what_is_in_flight(
    handle: Handle,
) -> None:
    # What answers gets all the time it needs; the deadline of a silence is one for the connection as well.
    deadline = {"answer_timeout_s": 2} if handle is silent else {}
    async with Peer(handle) as peer, link(peer.url, in_flight=4, **deadline) as carrier:
        results = await carrier.submit(letters(20))
        unknown = sum(isinstance(each, Unknown) for each in results)
        assert 4 <= unknown == len(peer.requests) < 8
        assert sum(isinstance(each, Deferred) for each in results) == 20 - unknown
        assert not any(isinstance(each, Deferred) and each.counts for each in results)


async def test_the_pause_grows_until_a_verdict_comes() -> None:
    async with Peer(UNCLEAR["another page"]) as peer, link(peer.url, in_flight=1) as carrier:
        pauses = []
        for _ in range(3):
            await carrier.open()  # as if the pause were over
            await carrier.submit(letters(3))
            refusal = carrier.refusal()
            assert isinstance(refusal, Deferred)
            pauses.append(round(refusal.retry_after_s))
        assert pauses == [2, 4, 8]
        peer.handle = ok
        await carrier.open()
        assert await carrier.submit(letters(1)) == [Accepted()]
        peer.handle = UNCLEAR["another page"]
        await carrier.submit(letters(2))
        assert carrier.refusal() is None


@pytest.mark.longer
async def test_after_a_pause_one_message_goes_alone_until_a_verdict_comes() -> None:
    async with Peer(UNCLEAR["another page"]) as peer, link(peer.url, in_flight=4) as carrier:
        await carrier.submit(letters(20))
        for _ in range(3):
            await carrier.open()  # as if the pause were over
            results = await carrier.submit(letters(12))
            assert [type(each) for each in results].count(Unknown) == 1
            assert not any(isinstance(each, Deferred) and each.counts for each in results)
        peer.handle = ok
        await carrier.open()
        assert await carrier.submit(letters(1)) == [Accepted()]
        assert await carrier.submit(letters(12)) == [Accepted()] * 12


@pytest.mark.longer
async def test_lost_answers_among_others_hold_nothing_back() -> None:
    async def every_third(wire: Wire, request: Request) -> None:
        if len(peer.requests) % 3 == 0:
            wire.writer.transport.abort()
        else:
            wire.send(OK)

    async with Peer(every_third) as peer, link(peer.url, in_flight=2) as carrier:
        results = await carrier.submit(letters(30))
    assert sum(isinstance(each, Unknown) for each in results) == 10
    assert sum(isinstance(each, Accepted) for each in results) == 20


@pytest.mark.longer
async def test_the_link_waits_as_long_as_the_carrier_says() -> None:
    busy = page(b"", "Retry-After: 1", status="503 Service Unavailable")
    async with Peer(answering(busy)) as peer, link(peer.url) as carrier:
        assert await carrier.submit(letters(1)) == [Unknown("the carrier answered with HTTP 503")]
        (held,) = await carrier.submit(letters(1))
        assert isinstance(held, Deferred)
        assert 0 < held.retry_after_s <= 1
        assert len(peer.requests) == 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(carrier.ready(), 0.1)
        await asyncio.wait_for(carrier.ready(), 3)

"""A link whose messages wait without an answer says so, and sends as before."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from carriers.contract import Accepted, Deferred, Question, Unknown, since_boot
from carriers.smpp import pdu
from tests.carriers.smpp.peer import Handle, Link, Peer, ignore, many, sms, submit, take, until
from tests.carriers.smpp.test_link_health import kinds

QUESTION = Question("beef", "84912345678", "CONGAN", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.longer
async def test_messages_without_an_answer_are_said_to_wait_long_before_they_are_unknown() -> None:
    """And sending does not change by it: the same goes out as before, in the same order."""
    async with Peer() as peer, Link(peer.port, window=5, response_timeout_s=1.5) as carrier:
        await carrier.ready()
        await carrier.submit(many(20))
        assert carrier.health().waiting_since is None
        peer.handle[pdu.SUBMIT_SM] = ignore
        began = since_boot()
        under_way = asyncio.create_task(submit(carrier, many(9)))
        await until(lambda: carrier.health().waiting_since)
        found = carrier.health()
        assert not under_way.done()
        assert (found.probing, found.lost_since) == ("", None)
        assert found.waiting_since is not None
        assert began - 0.2 < found.waiting_since <= since_boot()
        assert len(peer.submits()) == 25  # a window, as without it
        assert kinds(list(await under_way)) == {Unknown: 5, Deferred: 4}
        assert carrier.health().probing


async def test_a_single_message_given_up_waits_until_anything_is_answered() -> None:
    async with Peer() as peer, Link(peer.port, window=5, response_timeout_s=0.3) as carrier:
        await carrier.ready()
        await carrier.submit(many(20))
        peer.handle[pdu.SUBMIT_SM] = ignore
        assert kinds(list(await carrier.submit(many(1)))) == {Unknown: 1}
        found = carrier.health()
        assert (found.waiting_since is None, found.probing) == (False, "")
        peer.handle[pdu.SUBMIT_SM] = take
        assert kinds(list(await carrier.submit(many(1)))) == {Accepted: 1}
        assert carrier.health().waiting_since is None


@pytest.mark.longer
async def test_queries_that_nobody_answers_make_no_link_wait() -> None:
    handle: dict[int, Handle] = {pdu.QUERY_SM: ignore}
    async with Peer(handle) as peer, Link(peer.port, response_timeout_s=0.6) as carrier:
        await carrier.ready()
        await carrier.submit([sms()])
        asks = asyncio.create_task(carrier.query(QUESTION))
        await until(lambda: peer.of(pdu.QUERY_SM))
        await asyncio.sleep(0.5)
        assert carrier.health().waiting_since is None
        await asks

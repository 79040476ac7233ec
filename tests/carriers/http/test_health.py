"""Links over HTTP: how they stand, and messages that may not be written any more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from carriers.contract import (
    NOT_SENT,
    Accepted,
    LinkHealth,
    LinkOptions,
    OutboundSms,
    Permit,
    SubmitResult,
    since_boot,
)
from carriers.http.link import Waiting
from tests.carriers.http.peer import OK, PATIENT, Peer, PlainCarrier, answering, letters, link, page, silent
from tests.carriers.smpp.peer import until


@pytest.mark.longer
async def test_the_facts_of_a_link_follow_what_happens_to_it() -> None:
    async with Peer() as peer, link(peer.url) as carrier:
        assert carrier.health() == LinkHealth()  # before the first request nobody knows
        assert await carrier.submit(letters(1)) == [Accepted()]
        up = carrier.health()
        assert up.connected_since is not None
        assert up.answered_at is not None
        assert up.answered_at >= up.connected_since
        peer.server.close()
    async with link(peer.url) as carrier:
        await carrier.submit(letters(1))
        lost = carrier.health()
        assert lost.lost_since is not None
        assert (lost.connected_since, lost.answered_at) == (None, None)
        assert lost.refusal.startswith("no connection")


async def test_a_refused_account_is_a_lost_link_with_its_reason_until_it_is_opened_again() -> None:
    async with Peer(answering(page(b"", status="401 Unauthorized"))) as peer, link(peer.url) as carrier:
        await carrier.submit(letters(1))
        assert carrier.health().lost_since is not None
        assert "401" in carrier.health().refusal
        peer.handle = answering(OK)
        await carrier.open()
        assert await carrier.submit(letters(1)) == [Accepted()]
        assert (carrier.health().lost_since, carrier.health().connected_since is None) == (None, False)


@pytest.mark.longer
async def test_requests_without_a_clear_answer_hold_the_link_until_one_comes() -> None:
    async with Peer(silent) as peer, link(peer.url, in_flight=3, answer_timeout_s=0.1) as carrier:
        await carrier.submit(letters(3))
        assert carrier.health().probing == "3 requests in a row had no clear answer"
        peer.handle = answering(OK)
        async with asyncio.timeout(20):
            await carrier.ready()
            assert await carrier.submit(letters(1)) == [Accepted()]
        assert carrier.health().probing == ""


class SlowLogin(PlainCarrier):
    """An adapter that has to log in before each message."""

    async def hand_over(self, some: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        await asyncio.sleep(0.3)
        return await super().hand_over(some)


@pytest.mark.longer
async def test_a_permit_is_looked_at_right_before_the_request_is_written() -> None:
    """Though the message had its place before: a login or a handshake may take longer than a lease."""
    async with Peer() as peer:
        options = {**PATIENT, "base_url": peer.url, "password": "s3cr3t-w0rd"}
        carrier = SlowLogin(LinkOptions("slow-1", "plain", 100.0, options))
        await carrier.open()
        short, long = Permit(since_boot() + 0.1), Permit(since_boot() + 60)
        assert await carrier.submit(letters(1, permit=short)) == [NOT_SENT]
        assert peer.requests == []
        assert await carrier.submit(letters(1, permit=long)) == [Accepted()]
        assert len(peer.requests) == 1
        assert carrier.health().refusal == ""
        await carrier.close()


@pytest.mark.longer
async def test_a_link_that_hangs_at_its_first_request_says_so_while_it_waits() -> None:
    async with Peer(silent) as peer, link(peer.url, answer_timeout_s=3) as carrier:
        under_way = asyncio.create_task(carrier.submit(letters(1)))
        await until(lambda: carrier.health().waiting_since)
        await until(lambda: carrier.health().probing)
        found = carrier.health()
        assert not under_way.done()
        assert found.probing == "no answer for 2 s"
        assert (found.connected_since is None, found.lost_since) == (False, None)
        await under_way
        assert carrier.health().probing == found.probing  # given up: nothing was heard since
        peer.handle = answering(OK)
        assert await carrier.submit(letters(1)) == [Accepted()]
        assert (carrier.health().probing, carrier.health().waiting_since) == ("", None)


async def test_a_link_with_much_patience_says_that_it_waits_before_it_sends_less() -> None:
    waits = Waiting(30)
    begun = waits.begin()
    assert waits.beside(LinkHealth()) == LinkHealth()
    waits._begun[begun] -= 11
    found = waits.beside(LinkHealth())
    assert (found.waiting_since, found.probing) == (waits._begun[begun], "")
    waits.heard()
    assert waits.beside(LinkHealth()) == LinkHealth()


async def test_a_link_that_throttles_everything_says_so_until_it_takes_a_message() -> None:
    contract = {429: "throttled"}
    async with (
        Peer(answering(page(b"", status="429 Too Many Requests"))) as peer,
        link(peer.url, http_statuses=contract) as carrier,
    ):
        await carrier.submit(letters(2))
        since = carrier.health().refusing_since
        assert since is not None
        await carrier.submit(letters(2))
        assert (carrier.health().refusing_since, carrier.health().refusal) == (since, "http 429")
        peer.handle = answering(OK)
        assert await carrier.submit(letters(1)) == [Accepted()]
        assert carrier.health().refusing_since is None

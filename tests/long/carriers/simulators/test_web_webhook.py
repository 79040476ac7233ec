"""Receipts that simulated carriers over HTTP post: their shape, their order, their repetitions."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from carriers.signature import fresh, signed
from carriers.simulators.web.webhook import Webhook
from tests.carriers.http.peer import Peer, Request, answering, page
from tests.long.carriers.simulators.esme import until
from tests.long.carriers.simulators.plain import PHONE, Plain, phones, plain, send

TAKEN = page(b'{"status":1}')


def receipts(peer: Peer) -> list[dict[str, Any]]:
    """Everything posted, arrays laid flat."""
    return [each for request in peer.requests for each in _flat(request)]


def _flat(request: Request) -> list[dict[str, Any]]:
    return request.said if isinstance(request.said, list) else [request.said]


async def settled(carrier: Plain) -> None:
    await until(carrier.idle_s)


async def test_a_receipt_has_the_generic_shape() -> None:
    async with Peer(answering(TAKEN)) as peer, plain(Webhook(f"{peer.url}/hook")) as (carrier, client):
        await send(client, text="a" * 161, id="loa-17")
        await settled(carrier)
        ((request,), (receipt,)) = peer.requests, receipts(peer)
        assert request.line == "POST /hook HTTP/1.1"
        assert request.headers["content-type"] == "application/json"
        assert datetime.fromisoformat(receipt.pop("done_at")).utcoffset() == timedelta(hours=7)
        assert receipt == {
            "request_id": "loa-17",
            "message_id": "m0",
            "msisdn": PHONE,
            "status": "DELIVRD",
            "error": "000",
            "mt_count": 2,
        }
        report = carrier.report()
        assert (report["receipts_sent"], report["receipts_acknowledged"]) == (1, 1)


async def test_a_message_without_an_id_has_none_in_its_receipt() -> None:
    async with Peer(answering(TAKEN)) as peer, plain(Webhook(peer.url)) as (carrier, client):
        await send(client)
        await settled(carrier)
        assert "request_id" not in receipts(peer)[0]


async def test_receipts_are_signed_over_time_and_body() -> None:
    async with Peer(answering(TAKEN)) as peer:
        async with plain(Webhook(peer.url, "s3cret")) as (carrier, client):
            await send(client)
            await settled(carrier)
        (request,) = peer.requests
    at, signature = request.headers["x-loa-timestamp"], request.headers["x-loa-signature"]
    assert signed("s3cret", at, request.body, signature)
    assert fresh(at, time.time(), 60)
    assert "s3cret" not in repr(Webhook("http://x", "s3cret"))


async def test_a_login_in_the_address_goes_as_basic() -> None:
    async with Peer(answering(TAKEN)) as peer:
        async with plain(Webhook(peer.url.replace("//", "//mobifone:pw@"))) as (carrier, client):
            await send(client)
            await settled(carrier)
        given = peer.requests[0].headers["authorization"]
    # The peer reads headers in lower case.
    assert given == f"basic {base64.b64encode(b'mobifone:pw').decode()}".lower()


async def test_arrays_hold_so_many_and_lose_none() -> None:
    async with Peer(answering(TAKEN)) as peer:
        async with plain(Webhook(peer.url), receipt_batch=10, receipt_delay_s=1.0) as (carrier, client):
            await asyncio.gather(*(send(client, phone) for phone in phones(45)))
            await settled(carrier)
        assert sorted(each["msisdn"] for each in receipts(peer)) == phones(45)
        assert all(isinstance(request.said, list) for request in peer.requests)
        assert max(len(_flat(request)) for request in peer.requests) == 10


async def test_a_post_is_repeated_until_it_is_acknowledged() -> None:
    async def third_time(wire, request) -> None:  # type: ignore[no-untyped-def]
        wire.send(TAKEN if len(peer.requests) == 3 else page(b"", status="503 Later"))

    async with Peer(third_time) as peer:
        async with plain(Webhook(peer.url)) as (carrier, client):
            await send(client)
            await settled(carrier)
            report = carrier.report()
        assert len({request.body for request in peer.requests}) == 1
    figures = ("receipts_sent", "receipts_refused_for_now", "receipts_acknowledged")
    assert [report[name] for name in figures] == [3, 2, 1]


async def test_a_webhook_that_is_away_is_tried_again_and_hides_no_receipt() -> None:
    async with Peer() as peer:
        url = peer.url
    async with plain(Webhook(url)) as (carrier, client):
        await send(client)
        await until(lambda: carrier.report()["receipts_sent"] > 2)
        assert carrier.report()["receipts_outstanding"] == 1
        assert carrier.idle_s() == 0


async def test_what_is_refused_for_good_is_not_repeated() -> None:
    async with Peer(answering(page(b"", status="403 Forbidden"))) as peer:
        async with plain(Webhook(peer.url)) as (carrier, client):
            await send(client)
            await settled(carrier)
            assert carrier.report()["receipts_refused"] == 1
        assert len(peer.requests) == 1


async def test_an_early_receipt_is_there_before_the_answer() -> None:
    async def slow(wire, request) -> None:  # type: ignore[no-untyped-def]
        await asyncio.sleep(0.1)
        assert not answered
        wire.send(TAKEN)

    answered: list[str] = []
    async with Peer(slow) as peer, plain(Webhook(peer.url), early=1.0) as (carrier, client):
        answered.append(await send(client))
        assert carrier.report()["receipts_acknowledged"] == 1


@pytest.mark.prove
async def test_some_are_never_reported_and_some_twice() -> None:
    behaviour = {"unreported": 0.3, "twice": 0.3}
    async with Peer(answering(TAKEN)) as peer, plain(Webhook(peer.url), **behaviour) as (carrier, client):
        for phone in phones(200):
            await send(client, phone)
        await settled(carrier)
        report, posted = carrier.report(), receipts(peer)
    times = Counter(each["msisdn"] for each in posted)
    assert 200 - len(times) == report["never_reported"] > 0
    assert set(times.values()) == {1, 2}
    assert sum(times.values()) == report["receipts_due"]

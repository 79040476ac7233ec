"""A link that is opened again or closed: who leaves first, and what becomes of what waits."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from itertools import pairwise

import pytest

from carriers.contract import Accepted, Deferred, Halted, Partial, Rejected
from carriers.smpp import pdu
from carriers.smpp.session import Counters
from tests.carriers.smpp.peer import (
    LONG,
    Link,
    Peer,
    Wire,
    answer,
    by_part,
    ignore,
    many,
    refuse,
    sms,
    submit,
    take,
    until,
)


def kinds(results: object) -> list[type]:
    assert isinstance(results, list | tuple)
    return [type(result) for result in results]


async def test_a_link_that_refusals_have_halted_begins_anew_with_some_patience_when_it_is_opened() -> None:
    async with (
        Peer({pdu.SUBMIT_SM: refuse(0x450)}) as peer,
        Link(peer.port, strange_in_a_row=5, window=1) as carrier,
    ):
        await carrier.ready()
        assert kinds(await carrier.submit(many(6))) == [Rejected] * 5 + [Halted]
        assert kinds(await carrier.submit(many(1))) == [Halted]
        assert carrier.health().connected_since is None
        await carrier.open()
        await carrier.ready()
        assert (len(peer.of(pdu.BIND_TRANSCEIVER)), len(peer.of(pdu.UNBIND)), len(peer.wires)) == (2, 1, 1)
        assert kinds(await carrier.submit(many(4))) == [Rejected] * 3 + [Halted]
        await carrier.open()
        await carrier.ready()
        peer.handle[pdu.SUBMIT_SM] = take
        assert kinds(await carrier.submit(many(3))) == [Accepted] * 3


async def test_a_check_of_a_link_that_is_opened_again_waits_for_it_whatever_went_wrong_before() -> None:
    refused = {pdu.BIND_TRANSCEIVER: answer(pdu.BIND_TRANSCEIVER, status=0x08)}
    async with Peer(refused) as peer, Link(peer.port) as carrier:
        await until(lambda: peer.of(pdu.BIND_TRANSCEIVER))
        peer.handle[pdu.BIND_TRANSCEIVER] = answer(pdu.BIND_TRANSCEIVER, b"peer\0")
        await carrier.ready()
        await carrier.close()
        await carrier.open()
        (found,) = await carrier.check()
    assert found.good


async def test_the_binds_that_send_leave_before_those_that_receive() -> None:
    left: list[int] = []

    def unbind(wire: Wire, sequence: int, _: bytes) -> None:
        left.append(wire.command)
        wire.send(pdu.UNBIND | pdu.RESPONSE, sequence)

    async with Peer({pdu.UNBIND: unbind}) as peer:
        async with Link(peer.port, bind="transmitter_receiver", binds=2) as carrier:
            await until(lambda: len(peer.wires) == 4 and carrier.health().connected_since)
            await until(lambda: len(peer.of(pdu.BIND_RECEIVER)) == 2)
            assert {good.good for good in await carrier.check()} == {True}
        await until(lambda: not peer.wires)
    assert left == [pdu.BIND_TRANSMITTER] * 2 + [pdu.BIND_RECEIVER] * 2


async def test_what_has_not_gone_out_comes_back_as_a_close_begins() -> None:
    async with Peer({pdu.SUBMIT_SM: ignore}) as peer, Link(peer.port, window=1) as carrier:
        await carrier.ready()
        first = asyncio.create_task(submit(carrier, [sms()]))
        await until(lambda: peer.of(pdu.SUBMIT_SM))
        second = asyncio.create_task(submit(carrier, [sms()]))
        await asyncio.sleep(0)
        closing = asyncio.create_task(carrier.close())
        assert await second == await submit(carrier, [sms()]) == [Deferred("link down", 1.0)]
        assert not first.done()
        health = carrier.health()
        assert (health.connected_since, health.lost_since) == (None, None)
        await closing
        assert first.done()
        assert len(peer.of(pdu.SUBMIT_SM)) == 1


async def test_a_part_that_is_put_off_while_the_link_closes_is_not_kept_for_later() -> None:
    asked: list[tuple[Wire, int]] = []

    def keep(wire: Wire, sequence: int, _: bytes) -> None:
        asked.append((wire, sequence))

    handle = by_part(take, keep, take)
    async with Peer({pdu.SUBMIT_SM: handle}) as peer, Link(peer.port, part_retry_s=60) as carrier:
        await carrier.ready()
        under_way = asyncio.create_task(submit(carrier, [sms(text=LONG)]))
        await until(lambda: asked and carrier.stats()["in_flight"] == 1)
        closing = asyncio.create_task(carrier.close())
        await asyncio.sleep(0)
        wire, sequence = asked[0]
        wire.send(pdu.SUBMIT_SM_RESP, sequence, status=0x58)
        (result,) = await under_way
        await closing
    assert isinstance(result, Partial)
    assert result.refused == (1,)


@pytest.mark.longer
async def test_a_closed_link_has_no_part_left_that_a_timer_or_a_second_close_would_find() -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    handle = by_part(take, refuse(0x58), take)
    pause_s = 2.0  # within which the answers are seen here, however little time this process gets
    async with Peer({pdu.SUBMIT_SM: handle}) as peer, Link(peer.port, part_retry_s=pause_s) as carrier:
        await carrier.ready()
        under_way = asyncio.create_task(submit(carrier, [sms(text=LONG)]))
        await until(lambda: len(peer.of(pdu.SUBMIT_SM)) == 3 and not carrier.stats()["in_flight"])
        await carrier.close()
        (result,) = await under_way
        await carrier.close()
        await asyncio.sleep(1.5 * pause_s)
        assert len(peer.of(pdu.SUBMIT_SM)) == 3
    assert isinstance(result, Partial)
    assert faults == []


async def test_each_pause_of_a_part_that_is_put_off_again_is_twice_the_one_before() -> None:
    times: list[float] = []

    def second_is_put_off(wire: Wire, sequence: int, body: bytes) -> None:
        if pdu.read_short_message(body).message[5] == 2:
            times.append(asyncio.get_running_loop().time())
            wire.send(pdu.SUBMIT_SM_RESP, sequence, status=0x58)
        else:
            take(wire, sequence, body)

    options = {"part_retry_s": 0.02, "part_retries": 3}
    async with Peer({pdu.SUBMIT_SM: second_is_put_off}) as peer, Link(peer.port, **options) as carrier:
        await carrier.ready()
        (result,) = await carrier.submit([sms(text="x" * 300)])
    assert isinstance(result, Partial)
    assert len(result.refs) == 2
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert len(gaps) == 3
    assert all(gap > 0.9 * 0.02 * 2**n for n, gap in enumerate(gaps))


async def test_the_longest_number_that_a_carrier_can_have_is_sent() -> None:
    async with Peer() as peer, Link(peer.port) as carrier:
        await carrier.ready()
        assert kinds(await carrier.submit([sms(phone="8" * 20)])) == [Accepted]
        assert [message.destination for message in peer.submits()] == [b"8" * 20]


@pytest.mark.parametrize(
    ("status", "good"), [(0, True), (0x0E, False)], ids=["answered late", "refused for good"]
)
async def test_a_check_waits_for_a_slow_bind_and_no_longer(status: int, good: bool) -> None:
    def slow(wire: Wire, sequence: int, body: bytes) -> None:
        respond = answer(pdu.BIND_TRANSCEIVER, b"peer\0", status)
        asyncio.get_running_loop().call_later(0.12, respond, wire, sequence, body)

    async with (
        Peer({pdu.BIND_TRANSCEIVER: slow}) as peer,
        Link(peer.port, response_timeout_s=30) as carrier,
    ):
        (found,) = await asyncio.wait_for(carrier.check(), 10)
    assert found.good == good


async def test_a_link_that_was_never_opened_is_down() -> None:
    carrier = Link(1).carrier
    assert await carrier.submit([sms()]) == [Deferred("link down", 1.0)]
    assert await carrier.check() == []


async def test_a_link_whose_every_message_is_put_off_sends_none_from_then_on() -> None:
    options = {"strange_in_a_row": 2, "window": 1}
    async with Peer({pdu.SUBMIT_SM: refuse(0x08)}) as peer, Link(peer.port, **options) as carrier:
        await carrier.ready()
        first = await carrier.submit(many(3))
        assert [(type(each), getattr(each, "counts", None)) for each in first] == [
            (Deferred, True),
            (Deferred, True),
            (Deferred, False),  # by now it is the carrier's trouble, and not the message's
        ]
        assert await carrier.submit([sms()]) == [Deferred("probing: every message is deferred", 1.0)]
        assert carrier.health().probing == "every message is deferred (0x08)"
        assert len(peer.of(pdu.SUBMIT_SM)) == 3


async def test_a_paused_link_sends_one_message_alone_until_one_is_taken() -> None:
    options = {"strange_in_a_row": 2, "window": 1, "probe_max_s": 0.05, "response_timeout_s": 30}
    asked: list[tuple[Wire, int, bytes]] = []
    async with Peer({pdu.SUBMIT_SM: refuse(0x08)}) as peer, Link(peer.port, **options) as carrier:
        await carrier.ready()
        await carrier.submit(many(3))
        peer.handle[pdu.SUBMIT_SM] = lambda *one: asked.append(one)
        await carrier.ready()  # its pause is over
        alone = asyncio.create_task(submit(carrier, [sms()]))
        await until(lambda: asked)
        assert await carrier.submit([sms()]) == [Deferred("probing: every message is deferred", 1.0)]
        peer.handle[pdu.SUBMIT_SM] = take
        take(*asked[0])
        assert kinds(await alone) == [Accepted]
        await carrier.ready()
        assert kinds(await carrier.submit(many(3))) == [Accepted] * 3


def test_a_link_begins_with_nothing_counted() -> None:
    assert set(asdict(Counters()).values()) == {0}

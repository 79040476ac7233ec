"""A message of several parts: every mixture of taken, refused, put-off and lost parts, on the wire."""

from __future__ import annotations

import asyncio

import pytest

from carriers.contract import (
    Accepted,
    Deferred,
    OutboundSms,
    Partial,
    Reason,
    Rejected,
    Unknown,
)
from carriers.smpp import pdu
from tests.carriers.smpp.peer import (
    LONG,
    Handle,
    Link,
    Peer,
    Wire,
    answer,
    by_part,
    drop,
    ignore,
    many,
    refuse,
    sms,
    submit,
    take,
    until,
)

PARTS = {
    "all taken": ((take, take, take), Accepted, ()),
    "all refused": ((refuse(0x0B),), Rejected, ()),
    "none taken, one for good": ((refuse(0x58), refuse(0x0A), refuse(0x58)), Rejected, ()),
    "all throttled": ((refuse(0x58),), Deferred, ()),
    "the first refused for good": ((refuse(0x0A), take, take), Partial, (0,)),
    "two refused for good": ((take, refuse(0x0A), refuse(0x0A)), Partial, (1, 2)),
    "one answer lost": ((take, ignore, take), Unknown, ()),
    "one lost, one refused": ((take, ignore, refuse(0x0B)), Unknown, ()),
}


@pytest.mark.parametrize(("handles", "kind", "refused"), PARTS.values(), ids=PARTS)
async def test_a_long_message_has_one_result_from_all_its_parts(
    handles: tuple[Handle, ...], kind: type, refused: tuple[int, ...]
) -> None:
    async with Peer({pdu.SUBMIT_SM: by_part(*handles)}) as peer, Link(peer.port) as carrier:
        await carrier.ready()
        (result,) = await carrier.submit([sms(text=LONG)])
        assert isinstance(result, kind)
        assert len(peer.of(pdu.SUBMIT_SM)) == carrier.segments(LONG) == 3
    if isinstance(result, Partial):
        assert result.refused == refused
    if isinstance(result, Accepted | Partial | Unknown):
        assert [ref is not None for ref in result.refs] == [handles[min(n, 2)] is take for n in range(3)]


async def test_a_part_that_is_nacked_is_a_part_refused() -> None:
    def nack(wire: Wire, sequence: int, _: bytes) -> None:
        wire.send(pdu.GENERIC_NACK, sequence, status=3)

    handle = by_part(take, nack, take)
    async with Peer({pdu.SUBMIT_SM: handle}) as peer, Link(peer.port) as carrier:
        await carrier.ready()
        (result,) = await carrier.submit([sms(text=LONG)])
    assert isinstance(result, Partial)
    assert (result.refused, result.code, result.reason) == ((1,), "0x03", Reason.WRONG_REQUEST)


@pytest.mark.parametrize("status", [0x58, 0x14, 0x08, 0x64])
async def test_a_part_refused_for_a_moment_is_sent_again_while_its_siblings_are_not(status: int) -> None:
    handle = by_part(take, refuse(status), take)
    async with Peer({pdu.SUBMIT_SM: handle}) as peer, Link(peer.port) as carrier:
        await carrier.ready()
        (result,) = await carrier.submit([sms(text=LONG)])
        parts = [message.message[5] for message in peer.submits()]
    assert parts == [1, 2, 3, 2]
    assert isinstance(result, Accepted)
    assert None not in result.refs


async def test_a_part_refused_again_and_again_leaves_the_message_partial() -> None:
    def only_first(wire: Wire, sequence: int, body: bytes) -> None:
        first = pdu.read_short_message(body).message[5] == 1
        (take if first else refuse(0x58))(wire, sequence, body)

    async with Peer({pdu.SUBMIT_SM: only_first}) as peer, Link(peer.port, part_retries=2) as carrier:
        await carrier.ready()
        (result,) = await carrier.submit([sms(text=LONG)])
        assert len(peer.of(pdu.SUBMIT_SM)) == 3 + 2 + 2
    assert isinstance(result, Partial)
    assert (result.refused, result.code, result.reason) == ((1, 2), "0x58", Reason.SYSTEM)


async def test_a_part_that_waits_to_be_sent_again_holds_no_slot_of_the_window() -> None:
    def throttle_second(wire: Wire, sequence: int, body: bytes) -> None:
        message = pdu.read_short_message(body)
        second = message.esm_class == pdu.ESM_UDHI and message.message[5] == 2
        (refuse(0x58) if second else take)(wire, sequence, body)

    options = {"window": 1, "part_retry_s": 60}
    async with Peer({pdu.SUBMIT_SM: throttle_second}) as peer, Link(peer.port, **options) as carrier:
        await carrier.ready()
        parked = asyncio.create_task(submit(carrier, [sms(text=LONG)]))
        await until(lambda: len(peer.of(pdu.SUBMIT_SM)) == 3)
        results = await carrier.submit(many(20))
        assert all(isinstance(result, Accepted) for result in results)
        assert not parked.done()
        await carrier.close()
        (result,) = await parked
        assert isinstance(result, Partial)


@pytest.mark.longer
async def test_a_part_whose_link_goes_down_before_it_is_sent_again_leaves_the_message_partial() -> None:
    handle = by_part(take, refuse(0x58), take)
    slow = {"part_retry_s": 2.0, "part_retries": 1}  # the drop comes within, however busy the machine
    async with Peer({pdu.SUBMIT_SM: handle}) as peer, Link(peer.port, **slow) as carrier:
        await carrier.ready()
        peer.handle[pdu.BIND_TRANSCEIVER] = answer(pdu.BIND_TRANSCEIVER, status=0x08)
        under_way = asyncio.create_task(submit(carrier, [sms(text=LONG)]))
        await until(lambda: carrier.stats()["in_flight"] == 0 and len(peer.of(pdu.SUBMIT_SM)) == 3)
        drop(peer.wires[0], 0, b"")
        (result,) = await under_way
    assert isinstance(result, Partial)
    assert (result.refused, result.code) == ((1,), "link down")


@pytest.mark.parametrize(
    ("sms", "code"),
    [
        (sms(text=""), "text: empty"),
        (sms(text="x" * 2000), "text: too many parts"),
        (sms(text="Cảnh báo"), "text: the link does not support UCS-2"),
        (sms(sender="Công an"), "sender: 1 to 20 plain characters"),
        (sms(phone="84\x00123"), "phone: digits only"),
        (sms(phone="8" * 21), "phone: digits only"),
    ],
)
async def test_what_the_link_cannot_carry_is_rejected_and_not_sent(sms: OutboundSms, code: str) -> None:
    async with Peer() as peer, Link(peer.port, ucs2=False) as carrier:
        await carrier.ready()
        assert await carrier.submit([sms]) == [Rejected(code, Reason.WRONG_REQUEST)]
        assert not peer.of(pdu.SUBMIT_SM)

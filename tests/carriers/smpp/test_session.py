"""One bind against peers that misbehave: each message gets its result, and nothing dies of a body."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from carriers.contract import Accepted, Deferred, Reason, Rejected, Unknown
from carriers.smpp import pdu
from tests.carriers.smpp.peer import (
    Inbox,
    Link,
    Peer,
    Wire,
    answer,
    deliver_body,
    ignore,
    many,
    sms,
    take,
    until,
)

# ---- the stream


@pytest.mark.parametrize("size", [1, 2, 3, 7, 15, 16, 17])
async def test_pdus_may_come_in_pieces_of_any_size(size: int) -> None:
    async def dribble(wire: Wire, whole: bytes) -> None:
        for at in range(0, len(whole), size):
            wire.transport.write(whole[at : at + size])
            await asyncio.sleep(0)

    tasks = []

    def answer_and_deliver(wire: Wire, sequence: int, _: bytes) -> None:
        whole = pdu.frame(pdu.SUBMIT_SM_RESP, sequence, b"m7\0") + pdu.frame(
            pdu.DELIVER_SM, 9, deliver_body()
        )
        tasks.append(asyncio.create_task(dribble(wire, whole)))

    inbox = Inbox()
    async with Peer({pdu.SUBMIT_SM: answer_and_deliver}) as peer, Link(peer.port) as carrier:
        carrier.deliver_to(inbox)
        await carrier.ready()
        assert await carrier.submit([sms()]) == [Accepted(("m7",))]
        await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
    assert [receipt.reference for receipt in inbox.receipts] == ["m7"]


async def test_a_receipt_in_one_segment_with_the_bind_response_is_taken() -> None:
    def bind(wire: Wire, sequence: int, _: bytes) -> None:
        whole = pdu.frame(pdu.BIND_TRANSCEIVER | pdu.RESPONSE, sequence, b"peer\0")
        wire.transport.write(whole + pdu.frame(pdu.DELIVER_SM, 5, deliver_body()))

    inbox = Inbox()
    async with Peer({pdu.BIND_TRANSCEIVER: bind}) as peer, Link(peer.port) as carrier:
        carrier.deliver_to(inbox)
        await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
    assert [receipt.reference for receipt in inbox.receipts] == ["m7"]


@pytest.mark.parametrize("length", [0, 15, 128 * 1024 + 1, 0xFFFFFFFF])
async def test_an_impossible_length_ends_the_bind_and_what_was_answered_before_it_holds(length: int) -> None:
    def half(wire: Wire, sequence: int, body: bytes) -> None:
        if sequence <= 3:
            take(wire, sequence, body)
        if sequence == 3:
            wire.transport.write(length.to_bytes(4, "big"))

    async with Peer({pdu.SUBMIT_SM: half}) as peer, Link(peer.port) as carrier:
        await carrier.ready()
        *first, last = await carrier.submit(many(3))
        assert first == [Accepted(("m2",)), Accepted(("m3",))]
        assert isinstance(last, Unknown)
        assert "command_length" in last.reason


# ---- answers

ANSWERS = {
    "no body is accepted without an id": (0, b"", Accepted((None,))),
    "an empty id is none": (0, b"\0", Accepted((None,))),
    "an id without its terminator": (0, b"abc", Accepted(("abc",))),
    "an id of 65 characters": (0, b"f" * 65 + b"\0", Accepted(("f" * 65,))),
    "an absurd id is none": (0, b"f" * 5000 + b"\0", Accepted((None,))),
    "a vendor status is kept exact": (0x450, b"", Rejected("0x450", Reason.OTHER)),
    "a bad number": (0x0B, b"", Rejected("0x0B", Reason.NO_SUCH_NUMBER)),
}


@pytest.mark.parametrize(("status", "body", "result"), ANSWERS.values(), ids=ANSWERS)
async def test_answers_are_read_as_they_are(status: int, body: bytes, result: object) -> None:
    handle = answer(pdu.SUBMIT_SM, body, status)
    async with Peer({pdu.SUBMIT_SM: handle}) as peer, Link(peer.port) as carrier:
        await carrier.ready()
        assert await carrier.submit([sms()]) == [result]


@pytest.mark.parametrize(
    ("status", "kind"), [(0x02, Rejected), (0x58, Deferred), (0x00, Unknown), (0x450, Rejected)]
)
async def test_a_generic_nack_settles_its_sequence_number(status: int, kind: type) -> None:
    def nack(wire: Wire, sequence: int, _: bytes) -> None:
        wire.send(pdu.GENERIC_NACK, sequence, status=status)

    async with Peer({pdu.SUBMIT_SM: nack}) as peer, Link(peer.port) as carrier:
        await carrier.ready()
        (result,) = await carrier.submit([sms()])
        assert isinstance(result, kind)


async def test_responses_to_nothing_are_counted_and_settle_nothing() -> None:
    def odd(wire: Wire, sequence: int, body: bytes) -> None:
        wire.send(pdu.SUBMIT_SM_RESP, sequence + 1000, b"x\0")
        wire.send(pdu.QUERY_SM_RESP, sequence + 1000, b"x\0")
        wire.send(pdu.GENERIC_NACK, 0, status=3)
        wire.send(0x80000103, sequence)
        wire.send(pdu.ENQUIRE_LINK | pdu.RESPONSE, sequence)
        take(wire, sequence, body)

    async with Peer({pdu.SUBMIT_SM: odd}) as peer, Link(peer.port) as carrier:
        await carrier.ready()
        assert await carrier.submit([sms()]) == [Accepted(("m2",))]
        assert carrier.stats()["late_answers"] == 3
        assert carrier.stats()["unknown_pdus"] == 2


# ---- the end of a connection in mid-window


def _fin(wire: Wire) -> None:
    wire.transport.write_eof()


def _rst(wire: Wire) -> None:
    wire.transport.abort()


def _unbind(wire: Wire) -> None:
    wire.send(pdu.UNBIND, 77)


@pytest.mark.parametrize("end", [_fin, _rst, _unbind])
async def test_in_mid_window_each_message_in_flight_is_unknown_at_once_and_the_rest_deferred(
    end: Callable[[Wire], None],
) -> None:
    def third_ends(wire: Wire, sequence: int, body: bytes) -> None:
        if sequence == 4:
            end(wire)
        elif sequence < 4:
            take(wire, sequence, body)

    options = {"window": 5, "response_timeout_s": 60, "reconnect_min_s": 5, "reconnect_max_s": 5}
    async with Peer({pdu.SUBMIT_SM: third_ends}) as peer, Link(peer.port, **options) as carrier:
        await carrier.ready()
        async with asyncio.timeout(5):
            results = await carrier.submit(many(20))
        letters = "".join(type(result).__name__[0] for result in results)
        assert re.fullmatch("A*U{1,5}D+", letters)
        assert len(peer.of(pdu.SUBMIT_SM)) <= letters.index("D")
        assert carrier.stats()["in_flight"] == 0


async def test_an_unbind_of_the_carrier_is_answered_and_the_link_binds_again() -> None:
    async with Peer() as peer, Link(peer.port) as carrier:
        await carrier.ready()
        peer.wires[0].send(pdu.UNBIND, 77)
        await until(lambda: len(peer.of(pdu.BIND_TRANSCEIVER)) == 2)
        assert [sequence for _, _, sequence, _ in peer.of(pdu.UNBIND | pdu.RESPONSE)] == [77]
        await carrier.ready()
        assert isinstance((await carrier.submit([sms()]))[0], Accepted)


# ---- deadlines


async def test_one_missed_answer_is_unknown_and_the_others_go_on() -> None:
    late: list[tuple[Wire, int]] = []

    def skip_one(wire: Wire, sequence: int, body: bytes) -> None:
        if pdu.read_short_message(body).destination.endswith(b"3"):
            late.append((wire, sequence))
        else:
            take(wire, sequence, body)

    async with Peer({pdu.SUBMIT_SM: skip_one}) as peer, Link(peer.port, window=2) as carrier:
        await carrier.ready()
        results = await carrier.submit(many(8))
        assert [isinstance(result, Unknown) for result in results] == [n == 3 for n in range(8)]
        take(*late[0], b"")
        await until(lambda: carrier.stats()["late_answers"] == 1)
        assert len(peer.of(pdu.BIND_TRANSCEIVER)) == 1


@pytest.mark.longer
async def test_a_silent_peer_loses_one_window_and_no_more() -> None:
    async with Peer() as peer, Link(peer.port, window=3) as carrier:
        await carrier.ready()
        await carrier.submit(many(3))
        peer.handle.update({pdu.SUBMIT_SM: ignore, pdu.ENQUIRE_LINK: ignore})
        results = await carrier.submit(many(9))
        assert [type(result) for result in results] == [Unknown] * 3 + [Deferred] * 6
        assert len(peer.of(pdu.SUBMIT_SM)) == 6
        await until(lambda: peer.of(pdu.ENQUIRE_LINK))


@pytest.mark.longer
async def test_an_idle_link_that_does_not_answer_enquire_link_is_bound_anew() -> None:
    async with Peer({pdu.ENQUIRE_LINK: ignore}) as peer, Link(peer.port, enquire_link_s=0.1) as carrier:
        with capture_logs() as logs:
            await until(lambda: len(peer.of(pdu.BIND_TRANSCEIVER)) >= 2)
        assert carrier.halted() is None
    assert "no answer to enquire_link within 0.3 s" in str(logs)


async def test_an_idle_link_that_answers_enquire_link_stays_bound() -> None:
    async with Peer() as peer, Link(peer.port, enquire_link_s=0.05) as carrier:
        await until(lambda: len(peer.of(pdu.ENQUIRE_LINK)) >= 4)
        assert len(peer.of(pdu.BIND_TRANSCEIVER)) == 1
        await carrier.ready()


async def test_a_bind_that_is_not_answered_is_a_time_out_and_no_halt() -> None:
    async with Peer({pdu.BIND_TRANSCEIVER: ignore}) as peer, Link(peer.port) as carrier:
        with capture_logs() as logs:
            await until(lambda: len(peer.of(pdu.BIND_TRANSCEIVER)) >= 2)
        assert carrier.halted() is None
    assert "no answer to bind within 0.3 s" in str(logs)


@pytest.mark.parametrize("status", [0x0E, 0x0F])
async def test_a_refused_bind_halts_the_link_until_it_is_opened_again(status: int) -> None:
    refuse = answer(pdu.BIND_TRANSCEIVER, status=status)
    async with Peer({pdu.BIND_TRANSCEIVER: refuse}) as peer, Link(peer.port) as carrier:
        await until(carrier.halted)
        halted = carrier.halted()
        assert halted is not None
        assert halted.code == f"0x{status:02X}"
        await asyncio.sleep(0.1)
        assert len(peer.of(pdu.BIND_TRANSCEIVER)) == 1
        peer.handle[pdu.BIND_TRANSCEIVER] = answer(pdu.BIND_TRANSCEIVER, b"peer\0")
        await carrier.open()
        await carrier.ready()
        assert carrier.halted() is None


@pytest.mark.parametrize("status", [0x05, 0x08, 0x0D, 0x53, 0x58, 0x400])
async def test_a_bind_refused_for_a_moment_is_tried_again(status: int) -> None:
    refuse = answer(pdu.BIND_TRANSCEIVER, status=status)
    async with Peer({pdu.BIND_TRANSCEIVER: refuse}) as peer, Link(peer.port) as carrier:
        await until(lambda: len(peer.of(pdu.BIND_TRANSCEIVER)) >= 2)
        assert carrier.halted() is None
        peer.handle[pdu.BIND_TRANSCEIVER] = answer(pdu.BIND_TRANSCEIVER, b"peer\0")
        await carrier.ready()


async def test_a_generic_nack_of_the_bind_is_a_refusal() -> None:
    def nack(wire: Wire, sequence: int, _: bytes) -> None:
        wire.send(pdu.GENERIC_NACK, sequence, status=3)

    async with Peer({pdu.BIND_TRANSCEIVER: nack}) as peer, Link(peer.port) as carrier:
        await until(lambda: len(peer.of(pdu.BIND_TRANSCEIVER)) >= 2)
        assert carrier.halted() is None


# ---- the window


async def test_the_window_is_kept_full_and_never_passed() -> None:
    outstanding, most = 0, 0

    def slow(wire: Wire, sequence: int, body: bytes) -> None:
        nonlocal outstanding, most
        outstanding += 1
        most = max(most, outstanding)
        asyncio.get_running_loop().call_later(0.01, finish, wire, sequence, body)

    def finish(wire: Wire, sequence: int, body: bytes) -> None:
        nonlocal outstanding
        outstanding -= 1
        take(wire, sequence, body)

    async with Peer({pdu.SUBMIT_SM: slow}) as peer, Link(peer.port, window=50) as carrier:
        await carrier.ready()
        results = await carrier.submit(many(300))
    assert all(isinstance(result, Accepted) for result in results)
    assert most == 50

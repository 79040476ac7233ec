"""A link in trouble: refused binds, sessions that die young, answers that never come."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from carriers.contract import Accepted, Deferred, LinkHealth, SubmitResult, Unknown
from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.smpp import pdu
from tests.carriers.smpp.peer import (
    Handle,
    Link,
    Peer,
    Wire,
    answer,
    drop,
    ignore,
    many,
    sms,
    submit,
    take,
    until,
)
from tests.certificates import HERE, self_signed, server_context


def kinds(results: list[SubmitResult]) -> Counter[type[SubmitResult]]:
    return Counter(type(result) for result in results)


# ---- refused binds


async def test_a_stand_by_whose_bind_is_one_too_many_halts_nobody_and_takes_over() -> None:
    async with Smsc(SmscBehaviour(max_binds=1)) as smsc, Link(smsc.port) as first:
        await first.ready()
        async with Link(smsc.port) as second:
            await until(lambda: smsc.report()["binds_refused"] >= 3)
            assert (first.halted(), second.halted()) == (None, None)
            assert kinds(list(await first.submit(many(20)))) == {Accepted: 20}
            await first.close()
            await second.ready()
            assert kinds(list(await second.submit(many(20)))) == {Accepted: 20}


@pytest.mark.parametrize("status", [0x0D, 0x0E])
async def test_a_refused_bind_never_halts_a_link_that_has_another_one_up(status: int) -> None:
    def one_only(wire: Wire, sequence: int, _: bytes) -> None:
        taken = wire is peer.wires[0]
        wire.send(pdu.BIND_TRANSCEIVER | pdu.RESPONSE, sequence, b"peer\0", 0 if taken else status)

    async with Peer({pdu.BIND_TRANSCEIVER: one_only}) as peer, Link(peer.port, binds=2) as carrier:
        await until(lambda: len(peer.of(pdu.BIND_TRANSCEIVER)) >= 4)
        assert carrier.halted() is None
        assert kinds(list(await carrier.submit(many(20)))) == {Accepted: 20}


@pytest.mark.longer
async def test_a_refused_bind_is_tried_less_and_less_often_up_to_its_own_limit() -> None:
    refuse = answer(pdu.BIND_TRANSCEIVER, status=0x0D)
    often, seldom = Peer({pdu.BIND_TRANSCEIVER: refuse}), Peer({pdu.BIND_TRANSCEIVER: refuse})
    async with often, seldom, Link(often.port, probe_max_s=0.05), Link(seldom.port, probe_max_s=60):
        await until(lambda: len(often.of(pdu.BIND_TRANSCEIVER)) >= 40)
        assert len(seldom.of(pdu.BIND_TRANSCEIVER)) <= 12


# ---- connections that drop


@pytest.mark.longer
async def test_a_connection_that_worked_is_back_at_once_however_often_it_drops() -> None:
    """With pauses of half a minute, each of these would wait longer than `until` does."""
    async with (
        Peer() as peer,
        Link(peer.port, window=5, reconnect_min_s=30, reconnect_max_s=30) as carrier,
    ):
        for count in range(1, 6):
            await until(lambda count=count: len(peer.of(pdu.BIND_TRANSCEIVER)) == count)
            await carrier.ready()
            assert kinds(list(await carrier.submit(many(12)))) == {Accepted: 12}
            drop(peer.wires[0], 0, b"")


async def test_a_connection_that_does_nothing_is_back_at_once_the_first_time_only() -> None:
    async with Peer() as peer, Link(peer.port, reconnect_min_s=30, reconnect_max_s=30) as carrier:
        await carrier.ready()
        drop(peer.wires[0], 0, b"")
        await until(lambda: len(peer.of(pdu.BIND_TRANSCEIVER)) == 2)
        await carrier.ready()
        drop(peer.wires[0], 0, b"")
        await asyncio.sleep(0.4)
        assert len(peer.of(pdu.BIND_TRANSCEIVER)) == 2


@pytest.mark.longer
async def test_sessions_that_die_at_their_first_submit_cost_one_message_each() -> None:
    async with Peer({pdu.SUBMIT_SM: drop}) as peer, Link(peer.port, window=100, probe_max_s=0.05) as carrier:
        found: list[object] = []
        for _ in range(12):
            await carrier.ready()
            found += await submit(carrier, many(200))
        assert len(peer.of(pdu.BIND_TRANSCEIVER)) >= 12
    assert sum(isinstance(each, Unknown) for each in found) == len(peer.of(pdu.SUBMIT_SM)) <= 24
    assert {type(each) for each in found} == {Unknown, Deferred}


async def test_after_a_rebind_the_window_doubles_with_each_round_of_answers() -> None:
    rounds: list[int] = []

    def in_rounds(wire: Wire, sequence: int, body: bytes) -> None:
        if not waiting:
            asyncio.get_running_loop().call_later(0.02, answer_all)
        waiting.append((wire, sequence, body))

    def answer_all() -> None:
        rounds.append(len(waiting))
        for each in waiting:
            take(*each)
        waiting.clear()

    waiting: list[tuple[Wire, int, bytes]] = []
    async with Peer({pdu.SUBMIT_SM: in_rounds}) as peer, Link(peer.port, window=20) as carrier:
        await carrier.ready()
        await carrier.submit(many(71))
    assert rounds == [1, 2, 4, 8, 16, 20, 20]


# ---- answers that never come


@pytest.mark.longer
async def test_a_full_window_without_one_answer_holds_the_link_and_single_messages_probe_it() -> None:
    options = {"window": 5, "reconnect_min_s": 0.05, "response_timeout_s": 0.2}
    async with Peer() as peer, Link(peer.port, **options) as carrier:
        await carrier.ready()
        await carrier.submit(many(5))
        peer.handle[pdu.SUBMIT_SM] = ignore
        with capture_logs() as logs:
            results = list(await carrier.submit(many(100)))
        assert kinds(results) == {Unknown: 5, Deferred: 95}
        assert [each["unanswered"] for each in logs if "probing" in each["event"]] == [5]
        for _ in range(3):  # each probe is one message
            await carrier.ready()
            assert kinds(list(await carrier.submit(many(50)))) == {Unknown: 1, Deferred: 49}
        assert len(peer.of(pdu.SUBMIT_SM)) == 5 + 5 + 3
        assert len(peer.of(pdu.BIND_TRANSCEIVER)) == 1
        peer.handle[pdu.SUBMIT_SM] = take
        await carrier.ready()
        assert kinds(list(await carrier.submit(many(50)))) == {Accepted: 1, Deferred: 49}
        assert kinds(list(await carrier.submit(many(50)))) == {Accepted: 50}


@pytest.mark.longer
async def test_a_centre_that_falls_silent_after_one_late_answer_costs_one_window_too() -> None:
    """The answer to the last message of a window says nothing of the nine before it: one more is to tell."""
    options = {"window": 10, "reconnect_min_s": 20, "reconnect_max_s": 20, "response_timeout_s": 0.3}
    seen: list[int] = []

    def last_of_ten(wire: Wire, sequence: int, body: bytes) -> None:
        seen.append(sequence)
        if len(seen) == 10:
            take(wire, sequence, body)

    async with Peer() as peer, Link(peer.port, **options) as carrier:
        await carrier.ready()
        await carrier.submit(many(20))
        peer.handle[pdu.SUBMIT_SM] = last_of_ten
        assert kinds(list(await carrier.submit(many(100)))) == {Accepted: 1, Unknown: 11, Deferred: 88}
        assert len(seen) == 12


@pytest.mark.longer
async def test_while_a_probing_link_waits_nothing_at_all_goes_out() -> None:
    options = {"window": 3, "reconnect_min_s": 20, "reconnect_max_s": 20, "response_timeout_s": 0.2}
    async with Peer({pdu.SUBMIT_SM: ignore}) as peer, Link(peer.port, **options) as carrier:
        await carrier.ready()
        assert kinds(list(await carrier.submit(many(9)))) == {
            Unknown: 1,
            Deferred: 8,
        }  # the first after a bind
        assert await carrier.submit([sms()]) == [Deferred("probing: no answers arrive", 1.0)]
        await asyncio.sleep(0.5)
        assert len(peer.of(pdu.SUBMIT_SM)) == 1


@pytest.mark.longer
async def test_a_lost_answer_among_others_holds_nothing() -> None:
    count = iter(range(1000))

    def skip_some(wire: Wire, sequence: int, body: bytes) -> None:
        if next(count) % 10:
            take(wire, sequence, body)

    handle: dict[int, Handle] = {pdu.SUBMIT_SM: skip_some}
    async with Peer(handle) as peer, Link(peer.port, window=5, response_timeout_s=0.2) as carrier:
        await carrier.ready()
        for result in (Unknown, Accepted):  # the first of all is one without an answer, and a probe follows
            await carrier.ready()
            assert kinds(list(await carrier.submit([sms()]))) == {result: 1}
        found = kinds(list(await carrier.submit(many(100))))
    assert found[Deferred] == 0
    assert 10 <= found[Unknown] <= 11


async def test_one_bind_of_two_that_probes_slows_the_other_down_in_nothing() -> None:
    def deaf_by_one(wire: Wire, sequence: int, body: bytes) -> None:
        if wire is not peer.wires[0]:
            take(wire, sequence, body)

    async with (
        Peer({pdu.SUBMIT_SM: deaf_by_one}) as peer,
        Link(
            peer.port, binds=2, window=5, response_timeout_s=0.2, reconnect_min_s=20, reconnect_max_s=20
        ) as carrier,
    ):
        await until(lambda: len(peer.of(pdu.BIND_TRANSCEIVER)) == 2)
        await asyncio.sleep(0.02)
        with capture_logs() as logs:
            first = kinds(list(await carrier.submit(many(50))))
        assert first == {Accepted: 49, Unknown: 1}
        assert "bind is probing" in str(logs)
        assert kinds(list(await carrier.submit(many(50)))) == {Accepted: 50}
        assert (carrier.health().probing, carrier.health().lost_since) == ("", None)
        drop(peer.wires[1], 0, b"")
        await until(lambda: carrier.health().probing)


async def test_the_facts_of_a_link_follow_what_happens_to_it() -> None:
    async with Peer() as peer:
        carrier = Link(peer.port).carrier
        assert carrier.health() == LinkHealth()
        await carrier.open()
        await carrier.ready()
        up = carrier.health()
        assert up.connected_since is not None
        assert (up.lost_since, up.answered_at) == (None, None)
        await carrier.submit([sms()])
        answered = carrier.health().answered_at
        assert answered is not None
        assert answered >= up.connected_since
        peer.handle[pdu.BIND_TRANSCEIVER] = answer(pdu.BIND_TRANSCEIVER, status=0x0D)
        drop(peer.wires[0], 0, b"")
        await until(lambda: "0x0D" in carrier.health().refusal)
        lost = carrier.health()
        assert lost.lost_since is not None
        assert (lost.connected_since, lost.answered_at) == (None, answered)
        peer.handle[pdu.BIND_TRANSCEIVER] = answer(pdu.BIND_TRANSCEIVER, b"peer\0")
        await carrier.ready()
        assert (carrier.health().lost_since, carrier.health().refused_at is not None) == (None, True)
        await carrier.close()
        assert (carrier.health().connected_since, carrier.health().lost_since) == (None, None)


# ---- said long before it is over


NOBODY: dict[int, Handle] = {pdu.SUBMIT_SM: ignore, pdu.ENQUIRE_LINK: ignore}


@pytest.mark.longer
@pytest.mark.parametrize("count", [0, 1], ids=["idle", "with a message"])
async def test_a_bind_on_which_nothing_is_heard_is_said_before_it_is_given_up(count: int) -> None:
    async with (
        Peer(dict(NOBODY)) as peer,
        Link(peer.port, enquire_link_s=0.2, response_timeout_s=2.0) as carrier,
    ):
        await carrier.ready()
        under_way = asyncio.create_task(submit(carrier, many(count)))
        await until(lambda: carrier.health().probing)
        assert carrier.health().probing.startswith("no traffic for ")
        assert carrier.health().lost_since is None
        assert len(peer.of(pdu.BIND_TRANSCEIVER)) == 1
        assert await carrier.submit([sms()]) == [Deferred("probing: no answers arrive", 1.0)]
        await under_way


@pytest.mark.longer
async def test_a_silent_bind_that_is_heard_again_goes_on_at_once() -> None:
    async with (
        Peer({pdu.ENQUIRE_LINK: ignore}) as peer,
        Link(peer.port, enquire_link_s=0.1, response_timeout_s=3.0) as carrier,
    ):
        await carrier.ready()
        await until(lambda: carrier.health().probing)
        asked = peer.of(pdu.ENQUIRE_LINK)[0]
        peer.wires[0].send(pdu.ENQUIRE_LINK | pdu.RESPONSE, asked[2])
        await carrier.ready()
        assert carrier.health().probing == ""
        assert await carrier.submit([sms()]) != []
        assert len(peer.of(pdu.BIND_TRANSCEIVER)) == 1


async def test_a_wide_window_need_not_be_full_for_its_silence_to_be_seen() -> None:
    options = {"window": 100, "response_timeout_s": 0.4, "reconnect_min_s": 20, "reconnect_max_s": 20}
    async with Peer() as peer, Link(peer.port, **options) as carrier:
        await carrier.ready()
        await carrier.submit(many(200))
        peer.handle[pdu.SUBMIT_SM] = ignore
        first = asyncio.create_task(submit(carrier, many(1)))
        await until(lambda: len(peer.of(pdu.SUBMIT_SM)) == 201)
        await submit(carrier, many(1))
        await first
        await until(lambda: carrier.health().probing)
        assert carrier.health().probing.startswith("no answer to ")


async def test_a_centre_that_throttles_everything_says_so_until_it_takes_a_message() -> None:
    async with Smsc(SmscBehaviour(throttle=1.0)) as smsc, Link(smsc.port) as carrier:
        await carrier.ready()
        await carrier.submit(many(3))
        since = carrier.health().refusing_since
        assert since is not None
        await carrier.submit(many(3))
        found = carrier.health()
        assert (found.refusing_since, found.refusal) == (since, "0x58")
        assert found.connected_since is not None
        smsc.change(throttle=0.0)
        await carrier.submit(many(3))
        assert carrier.health().refusing_since is None


# ---- a peer that reads nothing


LONG_TEXT = "Canh giac lua dao " * 1000


@pytest.mark.longer
async def test_what_never_left_the_process_is_not_sent_and_what_the_peer_reads_later_is_unknown() -> None:
    """TCP's window is shut while the link's is open; later the peer reads all that lies in its buffers."""
    options = {"window": 400, "long_text": "payload", "max_segments": 255, "response_timeout_s": 2.0}
    parcel = many(400, LONG_TEXT)
    async with Peer() as peer, Link(peer.port, **options) as carrier:
        await carrier.ready()
        await carrier.submit(many(800))  # opens the window
        (wire,) = peer.wires
        # Else the system itself may take all of it: such a buffer grows to many megabytes while it is read.
        wire.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        wire.transport.pause_reading()
        before = len(peer.of(pdu.SUBMIT_SM))
        results = list(await carrier.submit(parcel))
        assert set(kinds(results)) == {Unknown, Deferred}
        wire.transport.resume_reading()
        await until(lambda: wire not in peer.wires)
        read = {message.destination.decode() for message in peer.submits()[before:]}
    unsent = {each.phone for each, one in zip(parcel, results, strict=True) if isinstance(one, Deferred)}
    assert read
    assert not read & unsent
    assert len(peer.of(pdu.SUBMIT_SM)) == before + len(read)  # and none twice


@pytest.mark.longer
async def test_over_tls_nobody_knows_what_has_left_so_all_of_it_is_unknown(tmp_path: Path) -> None:
    self_signed(tmp_path, HERE, "server")
    options = {"window": 400, "long_text": "payload", "max_segments": 255, "response_timeout_s": 2.0}
    async with (
        Peer(tls=server_context(tmp_path, "server")) as peer,
        Link(peer.port, tls=str(tmp_path / "server.pem"), **options) as carrier,
    ):
        await carrier.ready()
        await carrier.submit(many(800))
        peer.wires[0].transport.pause_reading()
        handed = list(await carrier.submit(many(400, LONG_TEXT)))
        assert kinds(handed)[Unknown] > 0
        assert {type(each) for each in handed} <= {Unknown, Deferred}
        assert all(each.code != "not sent" for each in handed if isinstance(each, Deferred))

"""The link as a whole: long messages, several binds, closing, questions, TLS, and what it logs."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from carriers.contract import (
    Accepted,
    Carrier,
    Checked,
    Deferred,
    Encoding,
    QueriedReceipts,
    Question,
    ReceiptLevel,
    ReceiptStatus,
    StreamReceipts,
    Unknown,
)
from carriers.smpp import pdu
from tests.carriers.smpp.peer import (
    LONG,
    PHONE,
    Handle,
    Inbox,
    Link,
    Peer,
    Wire,
    answer,
    by_part,
    deliver_body,
    drop,
    ignore,
    many,
    refuse,
    sms,
    submit,
    take,
    until,
)
from tests.certificates import self_signed

QUESTION = Question("beef", "84912345678", "CONGAN", datetime(2026, 1, 1, tzinfo=UTC))


def test_the_link_keeps_the_protocols_of_the_contract() -> None:
    carrier: Carrier = Link(
        1, receipt_level="operator", ucs2=False, window=7, binds=2, max_segments=3
    ).carrier
    assert isinstance(carrier, StreamReceipts)
    assert isinstance(carrier, QueriedReceipts)
    assert isinstance(carrier, Checked)
    assert carrier.receipt_level is ReceiptLevel.OPERATOR
    assert (carrier.limits.in_flight, carrier.limits.per_submit, carrier.limits.max_segments) == (14, 1, 3)
    assert carrier.limits.encodings == {Encoding.GSM7}
    assert "s3cr3t" not in repr(carrier.settings)


def test_the_figures_of_a_link_begin_at_nothing() -> None:
    assert set(Link(1).carrier.stats().values()) == {0}


# ---- a look at the link


async def test_a_check_asks_every_bind_whether_it_lives() -> None:
    async with Peer() as peer, Link(peer.port, bind="transmitter_receiver") as carrier:
        found = await carrier.check()
    assert [finding.good for finding in found] == [True, True]
    assert "as receiver" in found[1].what
    assert len(peer.of(pdu.ENQUIRE_LINK)) == 2
    assert peer.submits() == []


@pytest.mark.parametrize(
    ("handle", "words"),
    [
        (
            {pdu.BIND_TRANSCEIVER: answer(pdu.BIND_TRANSCEIVER, status=0x0E)},
            "The bind is refused (0x0E): the carrier rejects the password",
        ),
        (
            {pdu.BIND_TRANSCEIVER: answer(pdu.BIND_TRANSCEIVER, status=0x08)},
            "is not up: the carrier rejected the bind with 0x08",
        ),
        ({pdu.BIND_TRANSCEIVER: ignore}, "no answer to bind within"),
        ({pdu.ENQUIRE_LINK: ignore}, "no answer to enquire_link"),
    ],
)
async def test_a_check_says_what_is_wrong_with_a_bind(handle: dict[int, Handle], words: str) -> None:
    async with Peer(handle) as peer, Link(peer.port) as carrier:
        (found,) = await carrier.check()
    assert not found.good
    assert words in found.what
    assert "s3cr3t" not in found.what


async def test_a_check_goes_on_as_soon_as_the_bind_is_up() -> None:
    async with Peer() as peer, Link(peer.port, response_timeout_s=60) as carrier:
        (found,) = await asyncio.wait_for(carrier.check(), 10)
    assert found.good


async def test_a_check_of_a_host_where_nobody_listens_says_so_at_once() -> None:
    async with Peer() as peer:
        port = peer.port
    async with Link(port, response_timeout_s=30) as carrier:
        (found,) = await asyncio.wait_for(carrier.check(), 5)
    assert "no connection" in found.what


async def test_a_check_says_that_a_name_can_t_be_looked_up() -> None:
    async with Link(2775, host="smsc.invalid", response_timeout_s=10) as carrier:
        (found,) = await asyncio.wait_for(carrier.check(), 30)
    assert "no connection: the host name cannot be resolved (" in found.what


# ---- several binds


async def test_the_system_keeps_no_message_for_long_after_its_answer_was_due() -> None:
    async with Peer() as peer, Link(peer.port, response_timeout_s=3) as carrier:
        await carrier.ready()
        (session,) = carrier._sessions()
        assert session._transport is not None
        sock = session._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
        assert session._transport.get_write_buffer_limits() == (0, 0)


async def test_binds_share_the_work_and_the_end_of_one_costs_the_others_nothing() -> None:
    per_wire: dict[int, int] = defaultdict(int)

    def handle(wire: Wire, sequence: int, body: bytes) -> None:
        per_wire[id(wire)] += 1
        (drop if wire is peer.wires[0] and per_wire[id(wire)] == 4 else take)(wire, sequence, body)

    async with Peer({pdu.SUBMIT_SM: handle}) as peer, Link(peer.port, binds=2, window=3) as carrier:
        await until(lambda: len(peer.of(pdu.BIND_TRANSCEIVER)) == 2)
        await asyncio.sleep(0.02)
        first_two = [id(wire) for wire in peer.wires]
        results = await carrier.submit(many(60))
    kinds = {type(result) for result in results}
    assert kinds == {Accepted, Unknown}
    assert sum(isinstance(result, Unknown) for result in results) <= 3
    # A third, which comes back, may find little left.
    assert min(per_wire[wire] for wire in first_two) >= 4


async def test_receipts_come_by_a_bind_of_their_own_and_go_on_when_the_sender_is_gone() -> None:
    inbox = Inbox()
    async with Peer() as peer, Link(peer.port, bind="transmitter_receiver", reconnect_min_s=0.04) as carrier:
        carrier.deliver_to(inbox)
        await carrier.ready()
        await until(lambda: peer.of(pdu.BIND_RECEIVER))
        (result,) = await carrier.submit([sms()])
        assert isinstance(result, Accepted)
        receiver, transmitter = sorted(peer.wires, key=lambda wire: wire.command)
        drop(transmitter, 0, b"")
        receiver.send(pdu.DELIVER_SM, 3, deliver_body())
        await until(lambda: inbox.receipts)
        await until(lambda: len(peer.of(pdu.BIND_TRANSMITTER)) == 2)
        assert len(peer.of(pdu.BIND_RECEIVER)) == 1


async def test_a_link_with_a_receiving_bind_only_does_not_send() -> None:
    handle = {pdu.BIND_TRANSMITTER: answer(pdu.BIND_TRANSMITTER, status=0x08)}
    async with Peer(handle) as peer, Link(peer.port, bind="transmitter_receiver") as carrier:
        await until(lambda: len(peer.of(pdu.BIND_TRANSMITTER)) == 2)
        assert await carrier.submit([sms()]) == [Deferred("link down", 1.0)]


# ---- open, close, cancel


async def test_close_waits_for_answers_then_unbinds_and_open_begins_again() -> None:
    def slow(wire: Wire, sequence: int, body: bytes) -> None:
        asyncio.get_running_loop().call_later(0.05, take, wire, sequence, body)

    async with Peer({pdu.SUBMIT_SM: slow}) as peer, Link(peer.port, window=4) as carrier:
        await carrier.open()
        await carrier.ready()
        await carrier.submit(many(4))
        under_way = asyncio.create_task(submit(carrier, many(6)))
        await until(lambda: carrier.stats()["in_flight"] == 4)
        with capture_logs() as logs:
            await carrier.close()
        kinds = [type(result) for result in await under_way]
        assert kinds == [Accepted] * 4 + [Deferred] * 2
        assert [command for command, *_ in peer.seen][-1] == pdu.UNBIND
        assert not logs
        await carrier.open()
        await carrier.ready()
        assert len(peer.of(pdu.BIND_TRANSCEIVER)) == 2


async def test_close_of_a_link_that_never_came_up_returns() -> None:
    async with Peer({pdu.BIND_TRANSCEIVER: ignore}) as peer:
        carrier = Link(peer.port).carrier
        await carrier.close()
        await carrier.open()
        await carrier.close()
        await carrier.open()
        await until(lambda: peer.wires)
        await carrier.close()
        await until(lambda: not peer.wires)


async def test_a_cancelled_submit_leaves_nothing_that_could_go_out_later() -> None:
    async with Peer() as peer, Link(peer.port, window=2) as carrier:
        await carrier.ready()
        await carrier.submit(many(2))
        peer.seen.clear()
        late: list[tuple[Wire, int, bytes]] = []
        peer.handle[pdu.SUBMIT_SM] = lambda *asked: late.append(asked)
        first = asyncio.create_task(submit(carrier, many(5)))
        await until(lambda: len(peer.of(pdu.SUBMIT_SM)) == 2)
        second = asyncio.create_task(submit(carrier, [sms()]))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert carrier.stats()["queued"] == 1
        peer.handle[pdu.SUBMIT_SM] = take
        take(*late[0])
        assert isinstance((await second)[0], Accepted)
        assert len(peer.of(pdu.SUBMIT_SM)) == 3


@pytest.mark.longer
async def test_a_cancelled_submit_leaves_no_part_that_could_go_out_later() -> None:
    handle = by_part(take, refuse(0x58), take)
    pause_s = 2.0  # within which the answers are seen here, however little time this process gets
    async with Peer({pdu.SUBMIT_SM: handle}) as peer, Link(peer.port, part_retry_s=pause_s) as carrier:
        await carrier.ready()
        under_way = asyncio.create_task(submit(carrier, [sms(text=LONG)]))
        await until(lambda: len(peer.of(pdu.SUBMIT_SM)) == 3 and not carrier.stats()["in_flight"])
        under_way.cancel()
        await asyncio.wait([under_way])
        await asyncio.sleep(1.5 * pause_s)
        assert under_way.cancelled()
        assert len(peer.of(pdu.SUBMIT_SM)) == 3


async def test_a_carrier_that_is_away_makes_one_line_of_log_and_is_found_again() -> None:
    async with Peer() as peer, Link(peer.port, reconnect_min_s=0.01, reconnect_max_s=0.01) as carrier:
        await carrier.ready()
        port = peer.port
        with capture_logs() as logs:
            peer.server.close()
            drop(peer.wires[0], 0, b"")
            await asyncio.sleep(0.15)
            assert await carrier.submit([sms()]) == [Deferred("link down", 1.0)]
            peer.server = await asyncio.get_running_loop().create_server(
                lambda: Wire(peer), "127.0.0.1", port
            )
            await carrier.ready()
    assert [line["event"] for line in logs] == ["bind is down", "bind is up"]


async def test_a_connection_that_is_not_made_in_time_is_given_up() -> None:
    async with Peer() as peer, Link(peer.port, tls=True, response_timeout_s=0.1):
        # The peer reads the TLS greeting as an impossible PDU and says nothing, ever.
        with capture_logs() as logs:
            await until(lambda: logs)
    assert "no connection" in str(logs)


async def test_a_host_that_no_name_can_be_is_a_link_that_is_down() -> None:
    with capture_logs() as logs:
        async with Link(1, host="a" * 64 + ".vn"):
            await until(lambda: logs)
    assert logs[0]["why"] == "no connection: the host name is not valid"


# ---- questions


async def test_a_message_can_be_asked_for_in_the_spelling_that_the_carrier_knows() -> None:
    def know_padded(wire: Wire, sequence: int, body: bytes) -> None:
        if body.startswith(b"0000BEEF\0"):
            wire.send(pdu.QUERY_SM_RESP, sequence, b"0000BEEF\0" + b"240129100500028+\0" + bytes((2, 0)))
        else:
            wire.send(pdu.QUERY_SM_RESP, sequence, status=0x67)

    async with Peer({pdu.QUERY_SM: know_padded}) as peer, Link(peer.port) as carrier:
        await carrier.ready()
        receipt = await carrier.query(QUESTION)
        assert receipt is not None
        assert (receipt.reference, receipt.status) == ("beef", ReceiptStatus.DELIVERED)
        assert receipt.done_at is not None
        assert receipt.done_at.isoformat() == "2024-01-29T10:05:00+07:00"
        assert peer.of(pdu.QUERY_SM)[0][3] == b"beef\0" + bytes((5, 0)) + b"CONGAN\0"


@pytest.mark.parametrize(
    "handle",
    [
        ignore,
        drop,
        answer(pdu.QUERY_SM, status=0x67),
        answer(pdu.QUERY_SM, b"x"),
        answer(pdu.SUBMIT_SM, b"x\0"),
    ],
)
async def test_a_question_without_a_usable_answer_brings_nothing(handle: Handle) -> None:
    async with Peer({pdu.QUERY_SM: handle}) as peer, Link(peer.port) as carrier:
        await carrier.ready()
        async with asyncio.timeout(5):
            assert await carrier.query(QUESTION) is None
    assert await carrier.query(QUESTION) is None


async def test_a_question_that_is_not_answered_is_not_asked_in_other_spellings() -> None:
    async with Peer({pdu.QUERY_SM: ignore}) as peer, Link(peer.port, enquire_link_s=60) as carrier:
        await carrier.ready()
        assert await carrier.query(QUESTION) is None
        assert len(peer.of(pdu.QUERY_SM)) == 1


async def test_a_nacked_question_brings_nothing() -> None:
    def nack(wire: Wire, sequence: int, _: bytes) -> None:
        wire.send(pdu.GENERIC_NACK, sequence, status=3)

    async with Peer({pdu.QUERY_SM: nack}) as peer, Link(peer.port) as carrier:
        await carrier.ready()
        assert await carrier.query(QUESTION) is None


# ---- TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    self_signed(tmp_path)
    return tmp_path / "cert.pem", tmp_path / "key.pem"


async def test_a_link_may_run_over_tls_and_checks_the_certificate(certificate: tuple[Path, Path]) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    async with Peer(tls=context) as peer:
        async with Link(peer.port, tls=str(certificate[0])) as carrier:
            await carrier.ready()
            assert isinstance((await carrier.submit([sms(PHONE)]))[0], Accepted)
        with capture_logs() as logs:
            async with Link(peer.port, tls=True):
                await until(lambda: logs)
    assert "the certificate is not trusted (self-signed certificate)" in str(logs)

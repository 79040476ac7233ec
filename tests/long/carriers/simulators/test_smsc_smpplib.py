"""The simulated message centre as python smpplib, an independent client, sees it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm

from carriers.simulators.smsc import Smsc, SmscBehaviour


class Peer:
    """smpplib's client, bound, with everything it was told."""

    def __init__(self, port: int, bind: str = "bind_transceiver", password: str = "x") -> None:
        self.answers: list[object] = []
        self.receipts: list[object] = []
        self.client = smpplib.client.Client("127.0.0.1", port, allow_unknown_opt_params=True)
        self.client.set_message_sent_handler(self._answered)
        self.client.set_message_received_handler(self._received)
        self.client.set_error_pdu_handler(lambda pdu: None)  # the answer itself is handed over as well
        self.client.connect()
        getattr(self.client, bind)(system_id="loa", password=password)

    def _answered(self, pdu: object) -> None:
        self.answers.append(pdu)

    def _received(self, pdu: object) -> None:
        self.receipts.append(pdu)

    def send(self, phone: str, text: str) -> int:
        parts, encoding, kind = smpplib.gsm.make_parts(text)
        for part in parts:
            self.client.send_message(
                source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
                source_addr="CATINH",
                dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
                dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
                destination_addr=phone,
                short_message=part,
                data_coding=encoding,
                esm_class=kind,
                registered_delivery=True,
            )
        return len(parts)

    def read(self, answers: int, receipts: int) -> None:
        while len(self.answers) < answers or len(self.receipts) < receipts:
            self.client.read_once()


@pytest.fixture
def smsc_port() -> Iterator[Callable[..., tuple[int, Smsc]]]:
    """Starts a centre in a thread of its own, as smpplib blocks."""
    ends: list[Callable[[], None]] = []

    def start(behaviour: SmscBehaviour | None = None) -> tuple[int, Smsc]:
        smsc, ready, done = Smsc(behaviour, accounts={"loa": "x"}), threading.Event(), asyncio.Event()
        loop = asyncio.new_event_loop()

        async def serve() -> None:
            async with smsc:
                ready.set()
                await done.wait()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
        thread.start()
        assert ready.wait(5)

        def end() -> None:
            loop.call_soon_threadsafe(done.set)
            thread.join()
            loop.close()

        ends.append(end)
        return smsc.port, smsc

    yield start
    for end in ends:
        end()


def leave(peer: Peer) -> None:
    peer.client.unbind()
    peer.client.disconnect()


@pytest.mark.parametrize(
    ("text", "parts"),
    [("Canh giac cuoc goi gia danh", 1), ("Cảnh giác cuộc gọi giả danh", 1), ("x" * 200, 2), ("ữ" * 150, 3)],
)
def test_messages_are_taken_and_reported(
    smsc_port: Callable[..., tuple[int, Smsc]], text: str, parts: int
) -> None:
    port, smsc = smsc_port()
    peer = Peer(port)
    assert peer.send("84910000001", text) == parts
    peer.read(parts, parts)
    leave(peer)
    given = [answer.message_id for answer in peer.answers]
    assert [receipt.receipted_message_id for receipt in peer.receipts] == given
    assert {receipt.message_state for receipt in peer.receipts} == {2}
    assert {receipt.source_addr for receipt in peer.receipts} == {b"84910000001"}
    report = smsc.report()
    assert (report["parts"], report["copies_max"], report["receipts_acknowledged"]) == (parts, 1, parts)


def test_a_wrong_password_is_refused(smsc_port: Callable[..., tuple[int, Smsc]]) -> None:
    port, _ = smsc_port()
    with pytest.raises(smpplib.exceptions.PDUError, match="Invalid Password"):
        Peer(port, password="y")


def test_a_throttled_submit_is_an_error_of_its_own(smsc_port: Callable[..., tuple[int, Smsc]]) -> None:
    port, smsc = smsc_port(SmscBehaviour(by_number=True))
    peer = Peer(port)
    for _ in range(3):
        peer.send("84910009901", "Canh giac")
    peer.read(3, 1)
    leave(peer)
    assert [answer.status for answer in peer.answers] == [0x58, 0x58, 0]
    assert smsc.copies("84910009901") == 1


def test_a_receiver_gets_the_receipts_of_a_transmitter(smsc_port: Callable[..., tuple[int, Smsc]]) -> None:
    port, smsc = smsc_port()
    sender, receiver = Peer(port, "bind_transmitter"), Peer(port, "bind_receiver")
    sender.send("84910000001", "Canh giac")
    sender.read(1, 0)
    receiver.read(0, 1)
    leave(sender)
    leave(receiver)
    assert smsc.report()["receipts_outstanding"] == 0

"""What a carrier sends by itself: receipts, messages, enquiries, nonsense; answered, counted, never fatal."""

from __future__ import annotations

import random

import pytest
from structlog.testing import capture_logs

from carriers.contract import Accepted, Acknowledge, ReceiptStatus
from carriers.inbound import InboundMessage
from carriers.smpp import pdu
from tests.carriers.smpp.peer import RECEIPT, Inbox, Link, Peer, Wire, deliver_body, drop, sms, until

# ---- bodies

ODD_BODIES = {
    "empty": b"",
    "one octet": b"\0",
    "no terminator": b"a" * 300,
    "sm_length beyond the PDU": deliver_body()[: -len(RECEIPT) - 1] + b"\xff" + RECEIPT,
    "cut in the middle": deliver_body()[:20],
    "64 KB without a terminator": b"\xff" * 65536,
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
async def test_an_unreadable_deliver_sm_is_refused_for_good_and_the_bind_goes_on(body: bytes) -> None:
    async with Peer() as peer, Link(peer.port) as carrier:
        await carrier.ready()
        with capture_logs() as logs:
            for sequence in (1, 2, 3):
                peer.wires[0].send(pdu.DELIVER_SM, sequence, body)
            await until(lambda: len(peer.of(pdu.DELIVER_SM_RESP)) == 3)
        assert {status for _, status, _, _ in peer.of(pdu.DELIVER_SM_RESP)} == {pdu.ESME_RX_P_APPN}
        assert carrier.stats()["unreadable"] == 3
        assert len(logs) == 1
        assert await carrier.submit([sms()]) == [Accepted(("m2",))]


ODD_TLVS = {
    "vendor": pdu.tlv(0x1401, b"vendor"),
    "empty": pdu.tlv(0x1402, b""),
    "truncated": b"\x14\x03\x00",
    "overrunning": b"\x14\x04\xff\xffab",
    "unknown state": pdu.tlv(pdu.TAG_MESSAGE_STATE, b"\xee"),
    "state of two octets": pdu.tlv(pdu.TAG_MESSAGE_STATE, b"\1\2"),
}


@pytest.mark.parametrize("tlvs", ODD_TLVS.values(), ids=ODD_TLVS)
async def test_odd_tlvs_are_passed_over_and_the_text_is_read(tlvs: bytes) -> None:
    inbox = Inbox()
    async with Peer() as peer, Link(peer.port) as carrier:
        carrier.deliver_to(inbox)
        await carrier.ready()
        peer.wires[0].send(pdu.DELIVER_SM, 1, deliver_body(tlvs=tlvs))
        await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
    assert inbox.receipts[0].reference == "m7"
    assert inbox.receipts[0].code == "DELIVRD"


async def test_octets_beyond_ascii_in_addresses_and_text_do_no_harm() -> None:
    envelope = pdu.Envelope((1, 1, b"\xe9\xff\xfe"))
    body = pdu.short_message_body(envelope, b"\xe9", pdu.Content(RECEIPT + b"\xe9\xff", 0, pdu.ESM_RECEIPT))
    inbox = Inbox()
    async with Peer() as peer, Link(peer.port) as carrier:
        carrier.deliver_to(inbox)
        await carrier.ready()
        peer.wires[0].send(pdu.DELIVER_SM, 1, body)
        await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
    assert (inbox.receipts[0].reference, inbox.receipts[0].phone) == ("m7", None)


async def test_64_kb_of_noise_in_a_body_is_answered_and_the_bind_goes_on() -> None:
    dice = random.Random(7)
    async with Peer() as peer, Link(peer.port) as carrier:
        await carrier.ready()
        for sequence in range(1, 21):
            peer.wires[0].send(pdu.DELIVER_SM, sequence, dice.randbytes(65536))
        await until(lambda: len(peer.of(pdu.DELIVER_SM_RESP)) == 20)
        assert await carrier.submit([sms()]) == [Accepted(("m2",))]


# ---- receipts and requests of the carrier


@pytest.mark.parametrize(("taken", "status"), [(True, pdu.ESME_ROK), (False, pdu.ESME_RMSGQFUL)])
async def test_a_receipt_is_answered_only_when_its_taker_says(taken: bool, status: int) -> None:
    inbox = Inbox(None)
    async with Peer() as peer, Link(peer.port) as carrier:
        carrier.deliver_to(inbox)
        await carrier.ready()
        peer.wires[0].send(pdu.DELIVER_SM, 41, deliver_body())
        await until(lambda: inbox.waiting)
        await carrier.submit([sms()])
        assert not peer.of(pdu.DELIVER_SM_RESP)
        inbox.waiting[0](taken)
        await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
        assert peer.of(pdu.DELIVER_SM_RESP) == [(pdu.DELIVER_SM_RESP, status, 41, b"\0")]


async def test_an_acknowledgement_for_a_bind_that_is_gone_is_dropped() -> None:
    inbox = Inbox(None)
    async with Peer() as peer, Link(peer.port) as carrier:
        carrier.deliver_to(inbox)
        await carrier.ready()
        peer.wires[0].send(pdu.DELIVER_SM, 41, deliver_body())
        await until(lambda: inbox.waiting)
        drop(peer.wires[0], 0, b"")
        await until(lambda: len(peer.of(pdu.BIND_TRANSCEIVER)) == 2)
        inbox.waiting[0](True)
        await carrier.ready()
        await carrier.submit([sms()])
        assert not peer.of(pdu.DELIVER_SM_RESP)


async def test_receipts_that_nobody_takes_yet_are_put_off() -> None:
    async with Peer() as peer, Link(peer.port) as carrier:
        await carrier.ready()
        peer.wires[0].send(pdu.DELIVER_SM, 41, deliver_body())
        await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
        assert peer.of(pdu.DELIVER_SM_RESP)[0][1] == pdu.ESME_RMSGQFUL


async def test_a_message_from_a_telephone_is_no_receipt_and_never_goes_where_receipts_go() -> None:
    inbox = Inbox()
    async with Peer() as peer, Link(peer.port) as carrier:
        carrier.deliver_to(inbox)
        await carrier.ready()
        peer.wires[0].send(pdu.DELIVER_SM, 41, deliver_body(b"Cam on", esm_class=0))
        await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
        assert peer.of(pdu.DELIVER_SM_RESP)[0][1] == pdu.ESME_RMSGQFUL
        assert (carrier.stats()["messages"], carrier.stats()["receipts"]) == (1, 0)
    assert not inbox.receipts


@pytest.mark.parametrize("mark", ["the form of appendix B", "message_state"])
async def test_a_receipt_with_esm_class_0_is_kept_before_it_is_acknowledged(mark: str) -> None:
    inbox = Inbox(taken=None)
    text, tlvs = (RECEIPT, b"") if mark != "message_state" else (b"id:m7", pdu.tlv(0x427, b"\2"))
    async with Peer() as peer, Link(peer.port) as carrier:
        carrier.deliver_to(inbox)
        await carrier.ready()
        peer.wires[0].send(pdu.DELIVER_SM, 41, deliver_body(text, 0, tlvs))
        await until(lambda: inbox.receipts)
        assert not peer.of(pdu.DELIVER_SM_RESP)
        inbox.waiting[0](True)
        await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
    (receipt,) = inbox.receipts
    assert (receipt.reference, receipt.status) == ("m7", ReceiptStatus.DELIVERED)


async def test_a_deliver_sm_before_the_bind_is_refused() -> None:
    def early(wire: Wire, sequence: int, _: bytes) -> None:
        wire.send(pdu.DELIVER_SM, 5, deliver_body())

    async with Peer({pdu.BIND_TRANSCEIVER: early}) as peer, Link(peer.port):
        await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
        assert peer.of(pdu.DELIVER_SM_RESP)[0][1] == pdu.ESME_RINVBNDSTS


async def test_enquiries_are_answered_and_unknown_commands_nacked_and_logged_once() -> None:
    async with Peer() as peer, Link(peer.port) as carrier:
        await carrier.ready()
        with capture_logs() as logs:
            peer.wires[0].send(pdu.ENQUIRE_LINK, 11)
            peer.wires[0].send(0x0103, 12)
            peer.wires[0].send(0x00010200, 13)
            await until(lambda: len(peer.of(pdu.GENERIC_NACK)) == 2)
        assert peer.of(pdu.ENQUIRE_LINK | pdu.RESPONSE)[0][2] == 11
        assert [one[1:3] for one in peer.of(pdu.GENERIC_NACK)] == [(3, 12), (3, 13)]
        assert len(logs) == 1


# ---- two texts in one deliver_sm (SMPP v3.4, 5.2.32)

IN_PAYLOAD = pdu.tlv(pdu.TAG_MESSAGE_PAYLOAD, RECEIPT.replace(b"id:m7", b"id:m8"))
CHATTER = pdu.tlv(pdu.TAG_MESSAGE_PAYLOAD, b"Your message was delivered.")


@pytest.mark.parametrize(
    ("text", "tlvs", "reference", "place"),
    [
        (b"Your message was delivered.", IN_PAYLOAD, "m8", "message_payload"),
        (b"id:m7", IN_PAYLOAD, "m8", "message_payload"),
        (RECEIPT, CHATTER, "m7", "short_message"),
        (RECEIPT, IN_PAYLOAD, "m7", "short_message"),
        (RECEIPT, pdu.tlv(pdu.TAG_MESSAGE_PAYLOAD, RECEIPT), "m7", ""),
        (b"", IN_PAYLOAD, "m8", ""),
    ],
)
@pytest.mark.parametrize("esm_class", [pdu.ESM_RECEIPT, 0])
async def test_of_two_texts_the_one_that_is_a_receipt_is_read_and_the_log_says_so(
    text: bytes, tlvs: bytes, reference: str, place: str, esm_class: int
) -> None:
    inbox = Inbox()
    async with Peer() as peer, Link(peer.port) as carrier:
        carrier.deliver_to(inbox)
        await carrier.ready()
        with capture_logs() as logs:
            peer.wires[0].send(pdu.DELIVER_SM, 1, deliver_body(text, esm_class=esm_class, tlvs=tlvs))
            await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
    (receipt,) = inbox.receipts
    assert (receipt.reference, receipt.status) == (reference, ReceiptStatus.DELIVERED)
    said = [each["kind"] for each in logs if "beside message_payload" in each.get("kind", "")]
    assert said == ([f"short_message beside message_payload: {place} is read"] if place else [])


@pytest.mark.parametrize(
    ("text", "payload", "whole"),
    [
        (b"TU CHOI", b"TU CHOI NHAN TIN", "TU CHOI NHAN TIN"),
        (b"TU CHOI ", b"NHAN TIN", "TU CHOI NHAN TIN"),
    ],
)
async def test_of_two_texts_of_a_subscriber_nothing_is_lost(text: bytes, payload: bytes, whole: str) -> None:
    kept: list[str] = []

    def take(message: InboundMessage, acknowledge: Acknowledge) -> None:
        kept.append(message.text)
        acknowledge(True)

    tlvs = pdu.tlv(pdu.TAG_MESSAGE_PAYLOAD, payload)
    async with Peer() as peer, Link(peer.port) as carrier:
        carrier.messages_to(take)
        await carrier.ready()
        peer.wires[0].send(pdu.DELIVER_SM, 1, deliver_body(text, esm_class=0, tlvs=tlvs))
        await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
    assert kept == [whole]

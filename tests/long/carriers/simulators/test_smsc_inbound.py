"""What subscribers send to accounts of the simulated centre: brought until it is acknowledged."""

from __future__ import annotations

from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.simulators.smsc.receipts import body
from carriers.smpp import pdu
from tests.long.carriers.simulators.esme import bound, until


async def test_a_text_comes_from_its_number_to_ours_and_once_it_is_acknowledged_no_more() -> None:
    async with Smsc(SmscBehaviour(receipt_timeout_s=0.05)) as smsc, bound(smsc.port) as esme:
        smsc.write("84912345601", "8088", "TU CHOI")
        brought = await esme.next()
        assert brought.command == pdu.DELIVER_SM
        short = brought.short
        assert (short.source, short.destination, short.message) == (b"84912345601", b"8088", b"TU CHOI")
        assert (short.esm_class, short.data_coding, short.tlvs) == (0, 0, {})
        esme.acknowledge(brought)
        await until(lambda: smsc.report()["inbound_acknowledged"] == 1)
        assert await esme.quiet(0.5)
        assert smsc.outstanding() == 0


async def test_an_accented_text_is_cut_as_a_telephone_cuts_it() -> None:
    text = "Tôi không muốn nhận tin này nữa. " * 5
    async with Smsc() as smsc, bound(smsc.port) as esme:
        smsc.write("84912345601", "8088", text)
        parts = [each.short for each in await esme.take(3)]
    assert [each.message[:3] for each in parts] == [b"\5\0\3"] * 3
    assert [tuple(each.message[4:6]) for each in parts] == [(3, 1), (3, 2), (3, 3)]
    assert b"".join(each.message[6:] for each in parts).decode("utf-16-be") == text


async def test_what_is_refused_for_now_or_lost_with_its_bind_comes_again_and_what_is_refused_does_not() -> (
    None
):
    async with Smsc(SmscBehaviour(receipt_pause_s=0.03)) as smsc:
        async with bound(smsc.port) as esme:
            smsc.write("84912345601", "8088", "mot")
            esme.acknowledge(await esme.next(), pdu.ESME_RMSGQFUL)
            assert (await esme.next()).short.message == b"mot"
        await until(lambda: smsc.binds() == 0)
        async with bound(smsc.port) as esme:
            again = await esme.next()
            assert again.short.message == b"mot"
            esme.acknowledge(again, pdu.ESME_RX_P_APPN)
            await until(lambda: smsc.report()["inbound_refused"] == 1)
        report = smsc.report()
        assert (report["inbound_sent"], report["inbound_acknowledged"]) == (3, 0)


async def test_it_waits_for_its_own_account_and_another_gets_nothing() -> None:
    async with Smsc() as smsc:
        smsc.write_raw(body("191", "8088", pdu.Content(b"\xff", 4)), "loa")
        async with bound(smsc.port, system_id="stranger") as stranger:
            assert await stranger.quiet()
        async with bound(smsc.port, system_id="loa") as esme:
            assert (await esme.next()).short.data_coding == 4


async def test_the_manner_sends_so_many_a_second_to_whoever_can_receive() -> None:
    behaviour = SmscBehaviour(inbound=40.0)
    async with Smsc(behaviour) as smsc, bound(smsc.port) as esme:
        found = [each.short for each in await esme.take(5)]
        assert {(each.message, each.destination) for each in found} == {(b"Toi da doc, cam on", b"8088")}
        assert len({each.source for each in found}) == 5
        smsc.change(inbound=0.0)

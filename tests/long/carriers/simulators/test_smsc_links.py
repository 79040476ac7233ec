"""Binds, frames and broken connections of the simulated message centre."""

from __future__ import annotations

import asyncio

import pytest

from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.smpp import pdu
from tests.long.carriers.simulators.esme import SUBMIT_RESP, Pdu, bound, connect, submit_body, until

ACCOUNTS = {"loa": "x", "other": "y"}
BINDS = [pdu.BIND_TRANSCEIVER, pdu.BIND_TRANSMITTER, pdu.BIND_RECEIVER]


@pytest.mark.parametrize("command", BINDS)
async def test_each_kind_of_bind_is_answered_in_kind(command: int) -> None:
    async with Smsc(accounts=ACCOUNTS) as smsc, connect(smsc.port) as esme:
        answer = await esme.bind(command)
        assert (answer.command, answer.status) == (command | pdu.RESPONSE, 0)
        assert answer.body.startswith(b"loa-smsc\0")
        assert smsc.binds() == 1


@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [("nobody", "x", pdu.ESME_RINVSYSID), ("loa", "y", pdu.ESME_RINVPASWD), ("other", "y", 0)],
)
async def test_a_bind_needs_an_account_and_its_password(system_id: str, password: str, status: int) -> None:
    async with Smsc(accounts=ACCOUNTS) as smsc, connect(smsc.port) as esme:
        assert (await esme.bind(system_id=system_id, password=password)).status == status
        assert smsc.binds() == smsc.report()["binds"] == (not status)
        assert smsc.report()["binds_refused"] == bool(status)


async def test_binds_are_refused_with_the_status_asked_for() -> None:
    async with Smsc(SmscBehaviour(refuse_binds=pdu.ESME_RBINDFAIL)) as smsc, connect(smsc.port) as esme:
        assert (await esme.bind()).status == pdu.ESME_RBINDFAIL
        smsc.change(refuse_binds=0)
        assert (await esme.bind()).status == 0


async def test_a_second_bind_on_one_connection_is_refused() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        assert (await esme.bind()).status == 0x05


async def test_a_bind_without_an_end_of_its_strings_is_refused() -> None:
    async with Smsc() as smsc, connect(smsc.port) as esme:
        assert (await esme.call(pdu.BIND_TRANSCEIVER, b"loa")).status == pdu.ESME_RINVCMDLEN


@pytest.mark.parametrize("command", [pdu.SUBMIT_SM, pdu.QUERY_SM])
async def test_nothing_is_taken_before_a_bind(command: int) -> None:
    async with Smsc() as smsc, connect(smsc.port) as esme:
        answer = await esme.call(command, submit_body())
        assert (answer.command, answer.status) == (command | pdu.RESPONSE, pdu.ESME_RINVBNDSTS)
        assert smsc.report()["submits"] == 0


@pytest.mark.parametrize("command", [pdu.SUBMIT_SM, pdu.QUERY_SM])
async def test_a_receiver_may_not_send(command: int) -> None:
    async with Smsc() as smsc, bound(smsc.port, pdu.BIND_RECEIVER) as esme:
        assert (await esme.call(command, submit_body())).status == pdu.ESME_RINVBNDSTS


async def test_enquire_link_is_answered_and_unbind_ends_the_connection() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        assert (await esme.call(pdu.ENQUIRE_LINK)).command == pdu.ENQUIRE_LINK | pdu.RESPONSE
        assert (await esme.call(pdu.UNBIND)).command == pdu.UNBIND | pdu.RESPONSE
        assert await esme.gone()
        assert smsc.binds() == 0


async def test_the_centre_asks_whether_a_bind_lives() -> None:
    async with Smsc(SmscBehaviour(enquire_link_s=0.02)) as smsc, bound(smsc.port) as esme:
        for _ in range(2):
            asked = await esme.next()
            assert asked.command == pdu.ENQUIRE_LINK
            esme.send(pdu.ENQUIRE_LINK | pdu.RESPONSE, sequence=asked.sequence)


async def test_an_unknown_request_gets_a_nack_and_an_unknown_answer_nothing() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        esme.send(0x80000777)
        answer = await esme.call(0x777, b"noise")
        assert answer == Pdu(pdu.GENERIC_NACK, pdu.ESME_RINVCMDID, esme.sequence, b"")
        assert await esme.quiet()


@pytest.mark.parametrize("length", [0, 15, pdu.MAX_LENGTH + 1, 0xFFFFFFFF])
async def test_an_impossible_length_ends_the_connection(length: int) -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        esme.writer.write(length.to_bytes(4, "big"))
        assert (await esme.next()).status == pdu.ESME_RINVCMDLEN
        assert await esme.gone()


async def test_a_request_cut_at_every_byte_is_understood() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        for byte in pdu.frame(pdu.SUBMIT_SM, 7, submit_body(registered=0)):
            esme.writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await esme.next()).sequence == 7


async def test_an_unreadable_submit_is_refused_and_the_bind_goes_on() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        for cut in range(len(submit_body()) - 1):
            answer = await esme.call(pdu.SUBMIT_SM, submit_body()[:cut])
            assert answer.status in (pdu.ESME_RINVMSGLEN, pdu.ESME_RINVDSTADR), cut
        esme.submit(registered=0)
        assert (await esme.next()).status == 0
        assert smsc.report()["parts"] == 1


async def test_answers_cut_inside_a_pdu_arrive_whole() -> None:
    async with Smsc(SmscBehaviour(cut_writes=True)) as smsc, bound(smsc.port) as esme:
        for _ in range(5):
            esme.submit()
        answers = await esme.take(10)
        assert sorted(answer.command for answer in answers) == [pdu.DELIVER_SM] * 5 + [SUBMIT_RESP] * 5


async def test_a_silent_centre_takes_and_answers_when_its_silence_ends() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        smsc.change(silent=True)
        esme.submit(registered=0)
        esme.send(pdu.ENQUIRE_LINK)
        await until(lambda: smsc.report()["parts"])
        assert await esme.quiet()
        smsc.change(silent=False)
        assert [answer.command for answer in await esme.take(2)] == [
            SUBMIT_RESP,
            pdu.ENQUIRE_LINK | pdu.RESPONSE,
        ]


async def test_a_deaf_centre_holds_the_connection_without_reading() -> None:
    async with Smsc(SmscBehaviour(deaf=True)) as smsc, connect(smsc.port) as esme:
        esme.send(pdu.BIND_TRANSCEIVER, pdu.Bind("loa", "x").body())
        assert await esme.quiet()
        assert smsc.report()["connections"] == 1
        smsc.change(deaf=False)
        assert (await esme.next()).status == 0


async def test_every_bind_can_be_dropped_or_asked_to_leave() -> None:
    async with Smsc() as smsc, bound(smsc.port) as one, bound(smsc.port) as two:
        smsc.unbind_all()
        asked = await one.next()
        one.send(asked.command | pdu.RESPONSE, sequence=asked.sequence)
        assert (asked.command, await one.gone(), smsc.binds()) == (pdu.UNBIND, True, 1)
        assert (await two.next()).command == pdu.UNBIND
        smsc.drop_all()
        assert await two.gone()
        assert (smsc.binds(), smsc.report()["connections_dropped"]) == (0, 1)


async def test_a_centre_that_stops_accepting_listens_again_on_its_port() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        smsc.stop_accepting()
        smsc.stop_accepting()
        with pytest.raises(OSError, match=r"refused|[Cc]onnect"):
            await asyncio.open_connection("127.0.0.1", smsc.port)
        assert (await esme.call(pdu.ENQUIRE_LINK)).status == 0
        await smsc.start_accepting()
        async with bound(smsc.port):
            assert smsc.binds() == 2


@pytest.mark.parametrize("count", [1, 3])
async def test_a_connection_breaks_at_the_submit_asked_for_and_nothing_after_it_is_taken(count: int) -> None:
    async with Smsc(SmscBehaviour(drop_after_submits=count)) as smsc, bound(smsc.port) as esme:
        for index in range(6):
            esme.submit(b"849100000%02d" % index, registered=0)
        assert await esme.gone()
        report = smsc.report()
        assert (report["parts"], report["never_answered"], report["connections_dropped"]) == (count, 1, 1)


@pytest.mark.prove
async def test_a_reader_that_stops_is_sent_no_more_receipts_until_it_reads() -> None:
    text = b"%" * 140  # long, so that few receipts fill the system's buffers
    async with (
        Smsc(SmscBehaviour(receipt_window=10**6)) as smsc,
        bound(smsc.port, pdu.BIND_RECEIVER) as reader,
        bound(smsc.port, pdu.BIND_TRANSMITTER) as sender,
    ):
        due = 0
        while smsc.report()["receipts_sent"] == due:
            for _ in range(2000):
                sender.submit(text=text)
            await sender.take(2000)
            due += 2000
        for _ in range(due):
            await reader.next()
        assert smsc.report()["receipts_sent"] == due

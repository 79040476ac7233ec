"""The receipts of the simulated message centre, right and wrong, and that none is lost."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.smpp import pdu
from tests.long.carriers.simulators.esme import PHONE, SUBMIT_RESP, Esme, Pdu, bound, until

DELIVERED, UNDELIVERED = 2, 5


def ident(receipt: Pdu) -> bytes:
    return receipt.short.tlvs[pdu.TAG_RECEIPTED_MESSAGE_ID][:-1]


def state(receipt: Pdu) -> int:
    return receipt.short.tlvs[pdu.TAG_MESSAGE_STATE][0]


async def collect(esme: Esme, count: int) -> list[Pdu]:
    """So many receipts, each acknowledged; answers to submits are passed over."""
    found: list[Pdu] = []
    while len(found) < count:
        one = await esme.next()
        if one.command == pdu.DELIVER_SM:
            esme.acknowledge(one)
            found.append(one)
    return found


async def submit(esme: Esme, phone: bytes = PHONE, **fields: object) -> bytes:
    """Submit; the id that the answer gives, which must come before anything else."""
    esme.submit(phone, **fields)
    answer = await esme.next()
    assert (answer.command, answer.status) == (SUBMIT_RESP, 0)
    return answer.id


async def test_a_receipt_follows_its_answer_and_says_what_appendix_b_says() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        given = await submit(esme, text=b"Canh giac 100% cuoc goi gia danh")
        receipt = await esme.next()
        short = receipt.short
        assert (short.esm_class, short.source, short.destination) == (pdu.ESM_RECEIPT, PHONE, b"CATINH")
        assert re.fullmatch(
            rf"id:{given.decode()} sub:001 dlvrd:001 submit date:\d{{10}} done date:\d{{10}} "
            r"stat:DELIVRD err:000 text:Canh giac 100% cuoc ",
            short.message.decode(),
        )
        assert (ident(receipt), state(receipt)) == (given, DELIVERED)
        assert smsc.report()["receipts_outstanding"] == 1
        esme.acknowledge(receipt)
        await until(lambda: smsc.report()["receipts_acknowledged"] == 1)
        assert smsc.report()["receipts_outstanding"] == 0


@pytest.mark.parametrize(
    ("registered", "ending", "count"), [(0, b"0001", 0), (1, b"0001", 1), (2, b"9907", 1)]
)
async def test_receipts_come_where_they_were_asked_for(registered: int, ending: bytes, count: int) -> None:
    async with Smsc(SmscBehaviour(by_number=True)) as smsc, bound(smsc.port) as esme:
        await submit(esme, b"8491000" + ending, registered=registered)
        assert smsc.report()["receipts_due"] == count


async def test_outcomes_come_in_the_shares_and_with_the_codes_asked_for() -> None:
    behaviour = SmscBehaviour(outcomes="UNDELIV/001=0.2, EXPIRED/027=0.1,REJECTD=0.1")
    async with Smsc(behaviour) as smsc, bound(smsc.port) as esme:
        for number in range(1000):
            esme.submit(b"8491%07d" % number)
        found = Counter((one.field("stat"), one.field("err")) for one in await collect(esme, 1000))
        assert found.keys() == {
            ("DELIVRD", "000"),
            ("UNDELIV", "001"),
            ("EXPIRED", "027"),
            ("REJECTD", "000"),
        }
        assert 150 < found["UNDELIV", "001"] < 250
        assert 60 < found["EXPIRED", "027"] < 140


async def test_a_number_has_one_outcome_whatever_came_before_it() -> None:
    found = []
    for numbers in (range(100), reversed(range(100))):
        async with Smsc(SmscBehaviour(outcomes="UNDELIV=0.5")) as smsc, bound(smsc.port) as esme:
            for number in numbers:
                esme.submit(b"8491%07d" % number)
            found.append({one.short.source: state(one) for one in await collect(esme, 100)})
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("ending", "states"),
    [
        (b"9903", [DELIVERED]),
        (b"9904", []),
        (b"9906", [DELIVERED, DELIVERED]),
        (b"9907", [UNDELIVERED]),
        (b"9908", [3]),
        (b"9911", [8]),
        (b"9912", [DELIVERED, DELIVERED]),
        (b"9915", []),
    ],
)
async def test_a_number_chooses_its_receipts(ending: bytes, states: list[int]) -> None:
    async with Smsc(SmscBehaviour(by_number=True)) as smsc, bound(smsc.port) as esme:
        esme.submit(b"8491000" + ending)
        assert [state(one) for one in await collect(esme, len(states))] == states
        answer = await esme.call(pdu.ENQUIRE_LINK)
        if ending not in (b"9903", b"9915") and not states:
            answer = await esme.next()
        assert answer.command == pdu.ENQUIRE_LINK | pdu.RESPONSE
        report = smsc.report()
        assert report["receipts_sent"] == report["receipts_acknowledged"] == len(states)
        assert report["never_reported"] == (not states)
        assert report["never_answered"] == (ending in (b"9903", b"9915"))


@pytest.mark.parametrize("window", [1, 50])
async def test_an_early_receipt_comes_before_its_answer_even_when_the_window_is_full(window: int) -> None:
    async with Smsc(SmscBehaviour(early=1.0, receipt_window=window)) as smsc, bound(smsc.port) as esme:
        for number in range(20):
            esme.submit(b"8491%07d" % number)
        reported, answered = set(), set()
        while len(answered) < 20:
            one = await esme.next()
            if one.command == pdu.DELIVER_SM:
                reported.add(ident(one))
                esme.acknowledge(one)
            else:
                assert one.id in reported
                answered.add(one.id)
        assert answered == reported


async def test_an_early_receipt_without_a_bind_to_bring_it_holds_no_answer_up() -> None:
    async with Smsc(SmscBehaviour(early=1.0)) as smsc, bound(smsc.port, pdu.BIND_TRANSMITTER) as sender:
        await submit(sender)
        await submit(sender, registered=0)
        async with bound(smsc.port, pdu.BIND_RECEIVER) as receiver:
            assert len(await collect(receiver, 1)) == 1


async def exchange(smsc: Smsc, esme: Esme, count: int) -> tuple[set[bytes], list[bytes]]:
    """Submit to so many numbers: the ids given out, and those of all receipts as they came."""
    for number in range(count):
        esme.submit(b"8491%07d" % number)
    given: set[bytes] = set()
    reported: list[bytes] = []
    while len(given) < count or len(reported) < smsc.report()["receipts_due"]:
        one = await esme.next()
        if one.command == SUBMIT_RESP:
            given.add(one.id)
        else:
            reported.append(ident(one))
            esme.acknowledge(one)
    return given, reported


async def test_a_share_is_reported_twice() -> None:
    async with Smsc(SmscBehaviour(twice=0.2)) as smsc, bound(smsc.port) as esme:
        given, reported = await exchange(smsc, esme, 500)
        assert set(reported) == given
        assert 60 < len(reported) - len(given) < 140


async def test_a_share_is_never_reported() -> None:
    async with Smsc(SmscBehaviour(unreported=0.2)) as smsc, bound(smsc.port) as esme:
        given, reported = await exchange(smsc, esme, 500)
        assert set(reported) < given
        assert smsc.report()["never_reported"] == len(given) - len(reported)
        assert 60 < len(given) - len(reported) < 140


async def test_a_share_of_receipts_is_followed_by_one_with_an_id_never_given_out() -> None:
    async with Smsc(SmscBehaviour(foreign=0.2)) as smsc, bound(smsc.port) as esme:
        given, reported = await exchange(smsc, esme, 500)
        strangers = set(reported) - given
        assert len(reported) == 500 + len(strangers)
        assert smsc.report()["receipts_foreign"] == len(strangers)
        assert 60 < len(strangers) < 140


async def test_a_share_of_receipts_has_its_id_in_the_other_base() -> None:
    async with Smsc(SmscBehaviour(other_base=0.2, id_form="dec")) as smsc, bound(smsc.port) as esme:
        given, reported = await exchange(smsc, esme, 500)
        wrong = [one for one in reported if one not in given]
        assert {b"%d" % int(one, 16) for one in wrong} | set(reported) >= given
        assert 60 < len(wrong) < 140


@pytest.mark.parametrize(
    ("form", "receipt_form", "convert"),
    [
        ("hex", "dec", lambda given: b"%d" % int(given, 16)),
        ("dec", "hex", lambda given: b"%x" % int(given)),
        ("hex", "same", lambda given: given),
    ],
)
async def test_receipts_write_the_same_id_in_their_own_form(
    form: str, receipt_form: str, convert: object
) -> None:
    behaviour = SmscBehaviour(id_form=form, receipt_id_form=receipt_form)
    async with Smsc(behaviour) as smsc, bound(smsc.port) as esme:
        given = await submit(esme)
        receipt = await esme.next()
        assert ident(receipt) == receipt.field("id").encode() == convert(given)


@pytest.mark.parametrize(
    "behaviour", [{"receipt_delay_s": 0.2}, {"receipt_delay_s": 0.2, "receipt_spread_s": 0.02}]
)
async def test_receipts_wait_for_their_delay_and_the_state_is_en_route_until_then(
    behaviour: dict[str, float],
) -> None:
    async with Smsc(SmscBehaviour(**behaviour)) as smsc, bound(smsc.port) as esme:
        given = await submit(esme)
        for expected in (1, DELIVERED):
            answer = await esme.call(pdu.QUERY_SM, given + b"\0\5\0CATINH\0")
            assert (answer.status, answer.body) == (0, given + b"\0\0" + bytes((expected, 0)))
            if expected == 1:
                assert (await esme.next()).command == pdu.DELIVER_SM


@pytest.mark.parametrize("body", [b"123456789\0\0\0\0", b"no-number\0\0\0\0", b"no end", b""])
async def test_a_query_for_a_message_that_is_not_there_is_refused(body: bytes) -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        assert (await esme.call(pdu.QUERY_SM, body)).status == 0x67


async def test_receipts_out_of_order_all_come() -> None:
    async with Smsc(SmscBehaviour(out_of_order=True)) as smsc, bound(smsc.port) as esme:
        for number in range(100):
            esme.submit(b"8491%07d" % number)
        order = [one.short.source for one in await collect(esme, 100)]
        assert sorted(set(order)) == sorted(order) != order


async def test_no_more_receipts_than_the_window_are_unacknowledged() -> None:
    async with Smsc(SmscBehaviour(receipt_window=3)) as smsc, bound(smsc.port) as esme:
        for number in range(10):
            esme.submit(b"8491%07d" % number)
        found = [one for one in await esme.take(13) if one.command == pdu.DELIVER_SM]
        assert len(found) == 3
        assert await esme.quiet(0.03)
        for one in found:
            esme.acknowledge(one)
        assert len(await collect(esme, 7)) == 7
        assert smsc.report()["receipts_due"] == 10


async def test_unacknowledged_receipts_come_again_after_a_rebind() -> None:
    async with Smsc() as smsc:
        async with bound(smsc.port) as esme:
            for number in range(60):
                esme.submit(b"8491%07d" % number)
            seen = [one for one in await esme.take(110) if one.command == pdu.DELIVER_SM]
            esme.acknowledge(seen[0])
            await until(lambda: smsc.report()["receipts_acknowledged"])
        async with bound(smsc.port) as esme:
            again = await collect(esme, 59)
            assert {one.short.source for one in [seen[0], *again]} == {b"8491%07d" % n for n in range(60)}
            await until(lambda: not smsc.report()["receipts_outstanding"])
        assert smsc.report()["receipts_sent"] == 110


async def test_another_account_gets_none_of_them() -> None:
    async with Smsc() as smsc:
        async with bound(smsc.port) as esme:
            await submit(esme)
        async with bound(smsc.port, system_id="stranger") as stranger:
            assert await stranger.quiet()
        assert smsc.report()["receipts_outstanding"] == 1


@pytest.mark.parametrize("status", [pdu.ESME_RMSGQFUL, pdu.ESME_RTHROTTLED])
async def test_a_receipt_refused_for_now_comes_again_after_a_pause(status: int) -> None:
    async with Smsc(SmscBehaviour(receipt_pause_s=0.03)) as smsc, bound(smsc.port) as esme:
        await submit(esme)
        receipt = await esme.next()
        esme.acknowledge(receipt, status)
        (again,) = await collect(esme, 1)
        assert again.body == receipt.body
        assert again.sequence != receipt.sequence
        await until(lambda: not smsc.report()["receipts_outstanding"])
        assert smsc.report()["receipts_refused_for_now"] == 1
        assert smsc.report()["receipts_sent"] == 2


async def test_a_receipt_that_nobody_acknowledges_comes_again() -> None:
    async with Smsc(SmscBehaviour(receipt_timeout_s=0.01)) as smsc, bound(smsc.port) as esme:
        await submit(esme)
        receipt, again = await esme.take(2)
        assert receipt.body == again.body
        esme.acknowledge(again)
        esme.acknowledge(receipt)  # too late: no second acknowledgement
        await esme.call(pdu.ENQUIRE_LINK)
        assert smsc.report()["receipts_acknowledged"] == 1


@pytest.mark.parametrize("nack", [True, False])
async def test_a_receipt_refused_for_good_is_not_repeated(nack: bool) -> None:
    async with Smsc(SmscBehaviour(receipt_timeout_s=0.01)) as smsc, bound(smsc.port) as esme:
        await submit(esme)
        receipt = await esme.next()
        esme.send(pdu.GENERIC_NACK, status=3, sequence=999)  # of nothing: passed over
        if nack:
            esme.send(pdu.GENERIC_NACK, status=3, sequence=receipt.sequence)
        else:
            esme.acknowledge(receipt, pdu.ESME_RINVDSTADR)
        await until(lambda: smsc.report()["receipts_refused"])
        assert smsc.report()["receipts_outstanding"] == 0


async def test_receipts_go_to_the_receiver_of_a_transmitter() -> None:
    async with Smsc() as smsc, bound(smsc.port, pdu.BIND_TRANSMITTER) as sender:
        await submit(sender)
        await submit(sender)
        async with bound(smsc.port, pdu.BIND_RECEIVER) as receiver:
            assert len(await collect(receiver, 2)) == 2
            await submit(sender)
            assert len(await collect(receiver, 1)) == 1


@pytest.mark.parametrize(("rule", "counts"), [("own", (10, 0)), ("other", (0, 10)), ("any", (5, 5))])
async def test_receipts_go_to_the_bind_that_the_rule_names(rule: str, counts: tuple[int, int]) -> None:
    async with (
        Smsc(SmscBehaviour(receipts_on=rule)) as smsc,
        bound(smsc.port) as one,
        bound(smsc.port) as two,
    ):
        for number in range(10):
            one.submit(b"8491%07d" % number)
        got = await one.take(10 + counts[0])
        assert sum(answer.command == pdu.DELIVER_SM for answer in got) == counts[0]
        assert len(await collect(two, counts[1])) == counts[1]


async def test_receipts_for_another_bind_come_on_the_only_one_there_is() -> None:
    async with Smsc(SmscBehaviour(receipts_on="other")) as smsc, bound(smsc.port) as esme:
        await submit(esme)
        assert len(await collect(esme, 1)) == 1


async def test_a_message_taken_before_its_connection_broke_is_reported_on_the_next() -> None:
    async with Smsc(SmscBehaviour(drop_after_submits=1, answer_delay_s=0.01)) as smsc:
        async with bound(smsc.port) as esme:
            esme.submit()
            assert await esme.gone()
        smsc.change(drop_after_submits=0)
        async with bound(smsc.port) as esme:
            assert len(await collect(esme, 1)) == 1


async def test_a_second_bind_takes_over_what_the_first_left() -> None:
    async with Smsc(SmscBehaviour(receipt_window=1)) as smsc, bound(smsc.port) as survivor:
        async with bound(smsc.port) as first:
            for number in range(5):
                first.submit(b"8491%07d" % number)
            await first.take(6)
        assert {one.short.source for one in await collect(survivor, 5)} == {b"8491%07d" % n for n in range(5)}

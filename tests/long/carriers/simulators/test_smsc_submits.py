"""What the simulated message centre takes, refuses, answers and counts."""

from __future__ import annotations

import itertools
import re

import pytest

from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.smpp import pdu
from tests.long.carriers.simulators.esme import SUBMIT_RESP, Esme, bound, part_body, submit_body

OK, THROTTLED, FULL, BAD_NUMBER = 0, 0x58, 0x14, 0x0B


async def answers(esme: Esme, phones: list[bytes]) -> list[int]:
    """The statuses of one submit to each number, in order, each awaited."""
    found = []
    for phone in phones:
        esme.submit(phone, registered=0)
        found.append((await esme.next()).status)
    return found


def phones(count: int) -> list[bytes]:
    return [b"8491%07d" % number for number in range(count)]


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("dec", r"\d+"),
        ("hex", r"[0-9a-f]+"),
    ],
)
async def test_ids_have_the_form_asked_for_and_never_repeat(form: str, pattern: str) -> None:
    async with Smsc(SmscBehaviour(id_form=form)) as smsc, bound(smsc.port) as esme:
        for phone in phones(50):
            esme.submit(phone, registered=0)
        ids = [answer.id.decode() for answer in await esme.take(50)]
        assert len(set(ids)) == 50
        assert all(re.fullmatch(pattern, one) for one in ids)


async def test_two_centres_of_one_seed_give_out_equal_ids_and_of_another_seed_not() -> None:
    found = []
    for seed in (5, 5, 6):
        async with Smsc(SmscBehaviour(seed=seed)) as smsc, bound(smsc.port) as esme:
            esme.submit(registered=0)
            found.append((await esme.next()).id)
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"coding": 8}, OK),
        ({"text": b"", "tlvs": pdu.tlv(pdu.TAG_MESSAGE_PAYLOAD, b"x" * 300)}, OK),
        ({"phone": b"84x10000001"}, BAD_NUMBER),
        ({"phone": b""}, BAD_NUMBER),
        ({"phone": b"8" * 21}, BAD_NUMBER),
    ],
)
async def test_a_submit_earns_its_status_by_its_content(fields: dict[str, object], status: int) -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        esme.submit(**{"registered": 0, **fields})
        assert (await esme.next()).status == status
        assert smsc.report()["refused"] == bool(status)
        assert smsc.report()["parts"] == (not status)


@pytest.mark.parametrize(
    ("behaviour", "status", "counted"),
    [
        ({"throttle": 0.3}, THROTTLED, "throttled"),
        ({"queue_full": 0.3}, FULL, "throttled"),
        ({"refusals": "0x0B=0.1, 0x450=0.2"}, 0x450, "refused"),
    ],
)
async def test_a_share_of_submits_is_refused(behaviour: dict[str, object], status: int, counted: str) -> None:
    async with Smsc(SmscBehaviour(**behaviour)) as smsc, bound(smsc.port) as esme:
        for phone in phones(1000):
            esme.submit(phone, registered=0)
        found = [answer.status for answer in await esme.take(1000)]
        assert status in found
        report = smsc.report()
        assert report[counted] == 1000 - found.count(OK)
        assert 250 < report[counted] < 350
        assert report["parts"] == report["answered"] == found.count(OK)


async def test_the_same_seed_refuses_the_same_submits() -> None:
    found = []
    for _ in range(2):
        async with Smsc(SmscBehaviour(throttle=0.5)) as smsc, bound(smsc.port) as esme:
            found.append(await answers(esme, phones(50)))
    assert found[0] == found[1]


async def test_behaviour_change_while_binds_stay() -> None:
    async with Smsc(SmscBehaviour(throttle=1.0)) as smsc, bound(smsc.port) as esme:
        assert await answers(esme, phones(3)) == [THROTTLED] * 3
        smsc.change(throttle=0.0)
        assert await answers(esme, phones(3)) == [OK] * 3


async def test_more_segments_than_the_rate_are_throttled() -> None:
    async with Smsc(SmscBehaviour(rate_limit=20)) as smsc, bound(smsc.port) as esme:
        for phone in phones(200):
            esme.submit(phone, registered=0)
        found = [answer.status for answer in await esme.take(200)]
        # The burst may fall into two seconds of the clock, hence up to twice the rate.
        assert 20 <= found.count(OK) <= 40
        assert smsc.report()["throttled"] == found.count(THROTTLED) == 200 - found.count(OK)
        assert smsc.report()["submits_per_second_max"] > 20


async def test_taken_and_never_answered_is_counted_as_taken() -> None:
    async with Smsc(SmscBehaviour(unanswered=1.0)) as smsc, bound(smsc.port) as esme:
        esme.submit(registered=0)
        answer = await esme.call(pdu.ENQUIRE_LINK)
        assert answer.command == pdu.ENQUIRE_LINK | pdu.RESPONSE
        report = smsc.report()
        assert (report["parts"], report["never_answered"], report["answered"]) == (1, 1, 0)


@pytest.mark.parametrize("behaviour", [{"answer_delay_s": 0.2}, {"answer_delay_s": 0.2, "throttle": 1.0}])
async def test_answers_wait_for_the_delay(behaviour: dict[str, float]) -> None:
    async with Smsc(SmscBehaviour(**behaviour)) as smsc, bound(smsc.port) as esme:
        esme.submit(registered=0)
        answer = await esme.call(pdu.ENQUIRE_LINK)
        assert answer.command == pdu.ENQUIRE_LINK | pdu.RESPONSE
        assert (await esme.next()).command == SUBMIT_RESP


async def test_a_spread_of_delays_lets_answers_overtake_each_other() -> None:
    async with Smsc(SmscBehaviour(answer_spread_s=0.1)) as smsc, bound(smsc.port) as esme:
        sent = [esme.submit(phone, registered=0) for phone in phones(30)]
        came = [answer.sequence for answer in await esme.take(30)]
        assert sorted(came) == sent != came


async def test_a_share_of_connections_breaks_before_the_answer() -> None:
    async with Smsc(SmscBehaviour(drop=1.0)) as smsc, bound(smsc.port) as esme:
        esme.submit()
        assert await esme.gone()
        assert smsc.report()["parts"] == smsc.report()["never_answered"] == 1


async def test_garbage_in_sound_frames_comes_before_the_answer() -> None:
    async with Smsc(SmscBehaviour(garbage=1.0, garbage_kind="body")) as smsc, bound(smsc.port) as esme:
        esme.submit(registered=0)
        noise, answer = await esme.take(2)
        assert (answer.command, answer.status) == (SUBMIT_RESP, OK)
        assert noise.command == pdu.DELIVER_SM
        with pytest.raises(pdu.PduError):
            pdu.read_short_message(noise.body)
        assert smsc.report()["garbage_sent"] == 1


async def test_garbage_can_be_a_frame_of_impossible_length() -> None:
    async with Smsc(SmscBehaviour(garbage=1.0)) as smsc, bound(smsc.port) as esme:
        esme.submit(registered=0)
        assert await esme.reader.readexactly(4) == b"\xff" * 4


@pytest.mark.parametrize(
    ("ending", "statuses"),
    [
        (b"9901", [THROTTLED, THROTTLED, OK, OK]),
        (b"9902", [BAD_NUMBER, BAD_NUMBER]),
        (b"9910", [FULL, OK]),
        (b"0001", [OK]),
    ],
)
async def test_a_number_chooses_its_answers(ending: bytes, statuses: list[int]) -> None:
    async with Smsc(SmscBehaviour(by_number=True)) as smsc, bound(smsc.port) as esme:
        assert await answers(esme, [b"8491000" + ending] * len(statuses)) == statuses
        assert smsc.copies("8491000" + ending.decode()) == statuses.count(OK)


async def test_numbers_choose_nothing_unless_they_are_asked_to() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        assert await answers(esme, [b"84910009902"]) == [OK]


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
async def test_parts_in_any_order_are_one_copy_of_a_message(order: tuple[int, ...]) -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        for number in order:
            assert smsc.copies(84910000001) == 0
            assert (await esme.call(pdu.SUBMIT_SM, part_body(7, 3, number))).status == OK
        report = smsc.report()
        assert (report["parts"], report["messages"], report["messages_incomplete"]) == (3, 1, 0)
        assert (report["distinct_numbers"], report["copies_max"]) == (1, 1)


async def test_sar_parameters_and_16_bit_references_tell_parts_as_well() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        for number in (1, 2):
            header = bytes((6, 8, 4, 1, 2, 2, number))
            esme.submit(text=header + b"x", esm=pdu.ESM_UDHI, registered=0)
            sar = (
                (pdu.TAG_SAR_REF, b"\1\2"),
                (pdu.TAG_SAR_TOTAL, b"\2"),
                (pdu.TAG_SAR_SEQ, bytes((number,))),
            )
            esme.submit(b"84910000002", tlvs=b"".join(pdu.tlv(*one) for one in sar), registered=0)
        await esme.take(4)
        assert (smsc.copies(84910000001), smsc.copies(84910000002)) == (1, 1)
        assert sorted(smsc.numbers()) == [84910000001, 84910000002]


async def test_copies_are_counted_for_each_number() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        await answers(esme, [b"84910000001", b"84910000002", b"84910000002", b"84910000002"])
        report = smsc.report()
        assert (report["copies_max"], report["numbers_twice"], report["distinct_numbers"]) == (3, 1, 2)
        assert report["numbers_by_copies"] == {"1": 1, "3": 1}
        assert smsc.copies("84999999999") == 0


async def test_what_has_become_of_all_parts_is_counted() -> None:
    async with Smsc(SmscBehaviour(by_number=True)) as smsc, bound(smsc.port) as esme:
        for phone in (b"84910009907", b"84910009908", b"84910000001", b"84910000002"):
            esme.submit(phone)
        await esme.take(8)
        assert smsc.report()["parts_by_state"] == {"DELIVRD": 2, "EXPIRED": 1, "UNDELIV": 1}


async def test_a_part_sent_again_is_no_second_message() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        for reference, number in ((1, 1), (1, 1), (2, 1), (2, 2)):
            assert (await esme.call(pdu.SUBMIT_SM, part_body(reference, 2, number))).status == OK
        report = smsc.report()
        assert report["parts"] == 4
        assert (report["messages"], report["messages_incomplete"]) == (1, 1)


async def test_more_kinds_of_text_than_are_kept_are_still_read() -> None:
    async with Smsc() as smsc, bound(smsc.port) as esme:
        for number in range(4200):
            esme.send(pdu.SUBMIT_SM, submit_body(text=b"%d" % number, registered=0))
        assert {answer.status for answer in await esme.take(4200)} == {OK}

"""The adapter against the simulated carrier: lists, culprits, lost answers settled by their status."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carriers.contract import (
    Accepted,
    Deferred,
    Halted,
    OutboundSms,
    Question,
    Reason,
    ReceiptLevel,
    ReceiptStatus,
    Rejected,
    SubmitResult,
    Unknown,
)
from carriers.http import CLOSED
from carriers.options import VIETNAM
from carriers.simulators.vnpt import Vnpt, VnptBehaviour
from carriers.vnpt.carrier import VnptCarrier
from tests.carriers.vnpt.links import ACCENTED, MORNING, TEXT, open_link, sms

AT_SIMULATORS = MORNING.strftime("%Y-%m-%dT%H:%M")


def question(message: OutboundSms, result: SubmitResult, at: datetime = MORNING) -> Question:
    assert isinstance(result, Accepted | Unknown)
    assert result.refs[0] is not None
    return Question(result.refs[0], message.phone, message.sender, at)


@pytest.mark.prove
@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize("as_number", [False, True])
async def test_a_list_is_taken_once_with_the_text_as_written(form: str, as_number: bool) -> None:
    behaviour = VnptBehaviour(error_as_number=as_number, success="Success")
    async with Vnpt(behaviour) as vnpt, open_link(vnpt.url, format=form) as carrier:
        messages = [sms(n) for n in range(250)]
        results = await carrier.submit(messages)
        assert all(isinstance(result, Accepted) for result in results)
        assert [message.text for message in vnpt.messages] == [TEXT] * 250
        assert sorted(map(len, vnpt.lists)) == [50, 100, 100]
        report = vnpt.report()
    assert (report["distinct_numbers"], report["copies_max"]) == (250, 1)


@pytest.mark.prove
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_every_good_number_is_sent_once_whoever_the_culprits_are(data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, 9999), min_size=1, max_size=60, unique=True))
    invalid = data.draw(st.sets(st.sampled_from(numbers), max_size=6))
    ported = data.draw(st.sets(st.sampled_from(numbers), max_size=6)) - invalid
    behaviour = VnptBehaviour(
        refused=",".join(f"{n:04d}" for n in invalid), ported=",".join(f"{n:04d}=3" for n in ported)
    )
    async with Vnpt(behaviour) as vnpt, open_link(vnpt.url, per_submit=25) as carrier:
        messages = [sms(n) for n in numbers]
        results = await carrier.submit(messages)
        copies = [vnpt.copies(message.phone) for message in messages]
        names = {(message.request_id, message.phone) for message in vnpt.messages}
    for number, message, result, sent in zip(numbers, messages, results, copies, strict=True):
        if number in invalid:
            assert result == Rejected("23", Reason.NO_SUCH_NUMBER)
        elif number in ported:
            assert result == Rejected("25", Reason.OTHER_NETWORK, "viettel")
        else:
            assert isinstance(result, Accepted)
            # Our name for it is the carrier's: that is how its status is found.
            assert (result.refs[0], message.phone) in names
        assert sent == (number not in invalid | ported)


async def test_numbers_of_several_networks_go_in_lists_of_their_own() -> None:
    messages: Sequence[OutboundSms] = [sms(1), sms(2, prefix="8497234"), sms(3), sms(4, prefix="8490234")]
    async with Vnpt() as vnpt, open_link(vnpt.url) as carrier:
        assert all(isinstance(result, Accepted) for result in await carrier.submit(messages))
        assert vnpt.report()["answers"] == {"0": 3}


async def test_accents_arrive_as_written() -> None:
    async with Vnpt() as vnpt, open_link(vnpt.url) as carrier:
        results = await carrier.submit([sms(1, ACCENTED), sms(2, ACCENTED, prefix="8497234")])
        assert [type(result) for result in results] == [Accepted, Rejected]
        assert [message.text for message in vnpt.messages] == [ACCENTED]


async def test_a_package_that_ends_halts_the_link_with_nothing_doubled() -> None:
    async with Vnpt(VnptBehaviour(quota=20)) as vnpt, open_link(vnpt.url, per_submit=10) as carrier:
        results = [await carrier.submit([sms(n) for n in range(s, s + 10)]) for s in range(0, 40, 10)]
        kinds = [{type(result) for result in some} for some in results]
        assert kinds == [{Accepted}, {Accepted}, {Halted}, {Halted}]
        assert len(vnpt.lists) == 3  # a halted link asks no more
        vnpt.change(quota=100)
        await carrier.open()
        again = await carrier.submit([sms(n) for n in range(20, 30)])
        assert {type(result) for result in again} == {Accepted}
        assert vnpt.report()["copies_max"] == 1


async def test_a_link_that_is_closed_while_a_list_is_split_sends_no_more_of_it() -> None:
    behaviour = VnptBehaviour(ported="7=3", answer_delay_s=0.02)
    async with Vnpt(behaviour) as vnpt, open_link(vnpt.url) as carrier:
        messages = [sms(n) for n in range(100)]
        under_way = asyncio.create_task(carrier.submit(messages))
        await asyncio.sleep(0.2)  # of the second that all its halves would take
        await carrier.close()
        results = await under_way
        copies = [vnpt.copies(message.phone) for message in messages]
    assert copies == [isinstance(result, Accepted) for result in results]
    rest = [result for result in results if not isinstance(result, Accepted | Rejected)]
    assert set(rest) == {CLOSED}


@pytest.mark.parametrize("trouble", ["hang", "break_after", "cut", "error_502", "page", "empty", "garbage"])
@pytest.mark.parametrize("traffic", ["cskh", "qc"])
async def test_a_lost_answer_is_unknown_and_its_status_settles_it(trouble: str, traffic: str) -> None:
    level = ReceiptLevel.OPERATOR if traffic == "cskh" else ReceiptLevel.HANDSET
    behaviour = VnptBehaviour(next_troubles=f"{trouble}=1", clock=AT_SIMULATORS)
    more = {"traffic": traffic, "receipt_level": level.name.lower(), "answer_timeout_s": 1.5}
    async with Vnpt(behaviour) as vnpt, open_link(vnpt.url, **more) as carrier:
        messages = [sms(n) for n in range(3)]
        results = await carrier.submit(messages)
        assert {type(result) for result in results} == {Unknown}
        for message, result in zip(messages, results, strict=True):
            receipt = await carrier.query(question(message, result))
            assert receipt is not None
            assert (receipt.status, receipt.level) == (ReceiptStatus.DELIVERED, level)
            assert (receipt.reference, receipt.phone) == (result.refs[0], message.phone)  # type: ignore[union-attr]
        assert vnpt.report()["copies_max"] == 1


async def test_a_message_that_was_never_taken_has_no_status() -> None:
    behaviour = VnptBehaviour(next_troubles="break_before=1", clock=AT_SIMULATORS)
    async with Vnpt(behaviour) as vnpt, open_link(vnpt.url) as carrier:
        (result,) = await carrier.submit([sms()])
        assert isinstance(result, Unknown)
        assert await carrier.query(question(sms(), result)) is None
        assert not vnpt.messages


@pytest.mark.parametrize(
    ("traffic", "outcomes", "words"),
    [
        ("cskh", "", ["5", "2", "0", "0"]),
        ("qc", "", ["5", "2", "3", "0"]),
        ("cskh", "UNDELIV/001=1", ["5", "2", "1", "1"]),
        ("qc", "EXPIRED/027=1", ["5", "2", "3", "1"]),
    ],
)
async def test_a_status_moves_as_the_message_does(traffic: str, outcomes: str, words: list[str]) -> None:
    behaviour = VnptBehaviour(outcomes=outcomes, stage_s=60, clock=AT_SIMULATORS)
    async with Vnpt(behaviour) as vnpt, open_link(vnpt.url, traffic=traffic) as carrier:
        (result,) = await carrier.submit([sms()])
        codes = []
        for _ in words:
            receipt = await carrier.query(question(sms(), result))
            codes.append(receipt.code if receipt else "")
            vnpt.advance(60)
    assert codes == words


async def test_a_fourth_advertisement_waits_for_the_next_day_and_the_others_go() -> None:
    behaviour = VnptBehaviour(per_day=1, clock=AT_SIMULATORS)
    async with Vnpt(behaviour) as vnpt, open_link(vnpt.url, traffic="qc") as carrier:
        await carrier.submit([sms(3), sms(8)])
        results = await carrier.submit([sms(n, TEXT + "!") for n in range(10)])
        deferred = [n for n, result in enumerate(results) if isinstance(result, Deferred)]
        assert deferred == [3, 8]
        assert sum(isinstance(result, Accepted) for result in results) == 8
        assert all(vnpt.copies(sms(n).phone) == 1 for n in range(10))
        vnpt.advance(22.5 * 3600)
        again = await carrier.submit([sms(3, TEXT + "!"), sms(8, TEXT + "!")])
        assert {type(result) for result in again} == {Accepted}


async def test_advertising_waits_for_the_hours_that_the_carrier_leaves_open() -> None:
    noon = datetime(2024, 1, 29, 12, 0, tzinfo=VIETNAM)
    async with Vnpt(VnptBehaviour(clock="2024-01-29T12:00")) as vnpt:
        async with open_link(vnpt.url, now=noon, traffic="qc") as carrier:
            assert await carrier.submit([sms()]) == [Deferred("8", 3600)]
        async with open_link(vnpt.url, now=noon) as carrier:  # customer care goes at any time
            assert isinstance((await carrier.submit([sms()]))[0], Accepted)


async def test_the_check_reads_the_simulated_account() -> None:
    behaviour = VnptBehaviour(quota=500, template="{D,1000}")
    for form in ("json", "xml"):
        async with Vnpt(behaviour) as vnpt, open_link(vnpt.url, format=form) as carrier:
            found = await carrier.check()
            assert [finding.good for finding in found] == [True] * 5, found
            assert not vnpt.messages
    async with Vnpt(VnptBehaviour(account="a:b")) as vnpt, open_link(vnpt.url) as carrier:
        assert not any(finding.good for finding in await carrier.check())


async def test_each_link_keeps_its_own_name_for_a_list_that_has_none() -> None:
    async with Vnpt() as vnpt:
        async with open_link(vnpt.url) as first, open_link(vnpt.url) as second:
            await _send_unnamed(first)
            await _send_unnamed(second)
        assert len({message.request_id for message in vnpt.messages}) == 2


async def _send_unnamed(carrier: VnptCarrier) -> None:
    await carrier.submit([sms(1, key="")])

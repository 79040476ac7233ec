"""Until when a message may go: looked at right before the wire, and brought back at once when withdrawn."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from carriers.contract import NOT_SENT, Accepted, OutboundSms, Partial, Permit, since_boot
from carriers.smpp import pdu
from tests.carriers.smpp.peer import LONG, Link, Peer, Wire, many, sms, submit, take, until

Asked = tuple[Wire, int, bytes]


def under(permit: Permit, messages: list[OutboundSms]) -> list[OutboundSms]:
    return [replace(message, permit=permit) for message in messages]


async def test_what_waits_comes_back_at_once_while_the_wire_is_full_and_the_others_go_on() -> None:
    late: list[Asked] = []
    first, second = Permit(), Permit()
    handle = {pdu.SUBMIT_SM: lambda *asked: late.append(asked)}
    async with Peer(handle) as peer, Link(peer.port, response_timeout_s=30) as carrier:
        await carrier.ready()
        kept = asyncio.create_task(submit(carrier, under(first, many(3))))
        back = asyncio.create_task(submit(carrier, under(second, many(4))))
        await until(lambda: len(late) == 1)
        second.withdraw()
        assert await asyncio.wait_for(back, 30) == [NOT_SENT] * 4
        assert not kept.done()
        peer.handle[pdu.SUBMIT_SM] = take
        take(*late[0])
        assert Counter(map(type, await kept)) == {Accepted: 3}
        assert len(peer.of(pdu.SUBMIT_SM)) == 3


async def test_what_is_still_waiting_when_its_time_is_over_is_not_written() -> None:
    late: list[Asked] = []
    permit = Permit(since_boot() + 0.2)
    handle = {pdu.SUBMIT_SM: lambda *asked: late.append(asked)}
    async with Peer(handle) as peer, Link(peer.port, response_timeout_s=30) as carrier:
        await carrier.ready()
        under_way = asyncio.create_task(submit(carrier, under(permit, many(5))))
        await until(lambda: late and not permit.lasts)
        take(*late[0])
        results = await asyncio.wait_for(under_way, 5)
    assert results == [Accepted(("m2",)), *[NOT_SENT] * 4]
    assert len(late) == 1


async def test_a_permit_that_is_prolonged_meanwhile_lets_everything_go() -> None:
    permit = Permit(since_boot() + 0.1)
    async with Peer() as peer, Link(peer.port) as carrier:
        await carrier.ready()
        permit.until = since_boot() + 60
        await asyncio.sleep(0.15)
        assert Counter(map(type, await carrier.submit(under(permit, many(9))))) == {Accepted: 9}


@pytest.mark.parametrize("end", ["withdrawn", "over"])
async def test_the_rest_of_a_long_message_that_has_begun_goes_unless_the_time_is_over(end: str) -> None:
    late: list[Asked] = []
    permit = Permit(since_boot() + 60)
    handle = {pdu.SUBMIT_SM: lambda *asked: late.append(asked)}
    async with Peer(handle) as peer, Link(peer.port, response_timeout_s=30) as carrier:
        await carrier.ready()
        texts = under(permit, [sms(text=LONG), sms("84912345602", LONG)])
        under_way = asyncio.create_task(submit(carrier, texts))
        await until(lambda: late)
        if end == "withdrawn":
            permit.withdraw()
        else:
            permit.until = since_boot()
        peer.handle[pdu.SUBMIT_SM] = take
        take(*late[0])
        begun, untouched = await asyncio.wait_for(under_way, 5)
        parts = len(peer.of(pdu.SUBMIT_SM))
    assert untouched == NOT_SENT
    if end == "withdrawn":
        assert (type(begun), parts) == (Accepted, 3)
    else:
        assert (begun, parts) == (Partial(("m2", None, None), (1, 2), "not sent", begun.reason), 1)  # type: ignore[attr-defined]


async def test_a_permit_tells_only_those_who_still_wait() -> None:
    permit, told = Permit(), []
    with permit.when_withdrawn(lambda: told.append("inner")):
        permit.withdraw()
    permit.withdraw()
    assert told == ["inner"]
    assert (permit.lasts, permit.stands) == (True, False)

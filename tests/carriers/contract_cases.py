"""What every carrier's adapter has to keep: inherit ContractCases and give it a `harness` fixture."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Any, Protocol

import pytest
from structlog.testing import capture_logs

from carriers.contract import (
    NOT_SENT,
    Accepted,
    Carrier,
    Deferred,
    Halted,
    OutboundSms,
    Permit,
    Rejected,
    Unknown,
    since_boot,
)

TEXT = "Cong an tinh canh bao: khong cung cap ma OTP cho bat ky ai."
LONG = TEXT * 4


class Behaviour(Enum):
    """How the far end treats what it is sent."""

    TAKE = "takes everything"
    REFUSE_SEVENS = "refuses numbers that end in 7, takes the others"
    THROTTLE = "says that it is too much now"
    AWAY = "is not there"
    DIE = "reads a message and breaks the connection"
    SILENT = "reads and never answers"
    CUT = "breaks the connection in the middle of an answer"
    HUGE = "answers with 10 MB"
    NOISE = "answers with random bytes"
    GARBAGE = "answers in the right frame, with random bytes in it"
    WRONG_TYPE = "answers with something else than it should"
    MUTE = "lets us connect and never says a word"
    WRONG_PASSWORD = "does not take our password"


LOSES = [
    Behaviour.DIE,
    Behaviour.SILENT,
    Behaviour.CUT,
    Behaviour.HUGE,
    Behaviour.NOISE,
    Behaviour.GARBAGE,
    Behaviour.WRONG_TYPE,
]
NOBODY_HEARS = [Behaviour.AWAY, Behaviour.MUTE]


class Harness(Protocol):
    """What an adapter's test supplies: links with deadlines well under a second."""

    secrets: tuple[str, ...]  # what must never be logged

    def link(
        self, behaviour: Behaviour, answer_s: float | None = None
    ) -> AbstractAsyncContextManager[Carrier]:
        """An open link to a far end that behaves so; ready, where it ever gets ready.

        answer_s: how long it waits for an answer, in place of well under a second.
        """
        ...

    def messages_read(self) -> int:
        """How many messages the far end has read so far."""
        ...


def parcel(count: int, text: str = TEXT) -> list[OutboundSms]:
    return [OutboundSms(f"8491234{number:04d}", text, "CONGAN") for number in range(count)]


class ContractCases:
    """The contract test set. Each case runs against a real far end on a real socket."""

    async def test_there_is_one_result_for_each_message_in_order(self, harness: Harness) -> None:
        async with harness.link(Behaviour.REFUSE_SEVENS) as carrier:
            results = await carrier.submit(parcel(100))
        assert [isinstance(result, Rejected) for result in results] == [n % 10 == 7 for n in range(100)]
        assert sum(isinstance(result, Accepted) for result in results) == 90

    async def test_an_empty_parcel_has_no_results(self, harness: Harness) -> None:
        async with harness.link(Behaviour.TAKE) as carrier:
            assert list(await carrier.submit([])) == []

    async def test_a_long_message_has_a_reference_for_each_receipt_to_expect(self, harness: Harness) -> None:
        async with harness.link(Behaviour.TAKE) as carrier:
            (result,) = await carrier.submit(parcel(1, LONG))
            assert isinstance(result, Accepted)
            expected = 1 if carrier.limits.one_receipt else carrier.segments(LONG)
            assert len(result.refs) in (0, expected)

    async def test_parcels_under_way_at_once_keep_their_own_results(self, harness: Harness) -> None:
        async with harness.link(Behaviour.REFUSE_SEVENS) as carrier:
            messages = parcel(60)
            lists = await asyncio.gather(*(carrier.submit(messages[n : n + 15]) for n in range(0, 60, 15)))
        refused = [isinstance(result, Rejected) for results in lists for result in results]
        assert refused == [n % 10 == 7 for n in range(60)]

    async def test_throttling_defers_and_uses_up_no_patience(self, harness: Harness) -> None:
        async with harness.link(Behaviour.THROTTLE) as carrier:
            results = await carrier.submit(parcel(5))
        assert all(isinstance(result, Deferred) and result.throttled for result in results)
        assert not any(isinstance(result, Deferred) and result.counts for result in results)

    @pytest.mark.parametrize("behaviour", NOBODY_HEARS, ids=lambda behaviour: behaviour.name)
    async def test_what_nobody_hears_is_deferred_and_nothing_was_sent(
        self, harness: Harness, behaviour: Behaviour
    ) -> None:
        async with harness.link(behaviour) as carrier, asyncio.timeout(5):
            results = await carrier.submit(parcel(5))
        assert all(isinstance(result, Deferred) and not result.counts for result in results)
        assert harness.messages_read() == 0

    @pytest.mark.parametrize("behaviour", LOSES, ids=lambda behaviour: behaviour.name)
    async def test_a_lost_answer_is_unknown_and_what_was_not_written_is_deferred(
        self, harness: Harness, behaviour: Behaviour
    ) -> None:
        async with harness.link(behaviour) as carrier, asyncio.timeout(5):
            results = await carrier.submit(parcel(3))
        assert {type(result) for result in results} <= {Unknown, Deferred}
        assert sum(isinstance(result, Unknown) for result in results) >= 1
        # Whoever was deferred has certainly not been read.
        assert harness.messages_read() <= sum(isinstance(result, Unknown) for result in results)

    async def test_a_fault_inside_the_adapter_is_raised_and_the_link_goes_on(self, harness: Harness) -> None:
        broken = dataclasses.replace(parcel(1)[0], phone="84912349999", text=None)  # type: ignore[arg-type]
        async with harness.link(Behaviour.TAKE) as carrier, asyncio.timeout(5):
            with pytest.raises((TypeError, AttributeError)):
                await carrier.submit([*parcel(2), broken])
            read = harness.messages_read()  # nothing of it goes out any more
            results = await carrier.submit(parcel(3))
            assert [type(result) for result in results] == [Accepted] * 3
            assert harness.messages_read() == read + 3

    async def test_a_wrong_password_halts_the_link_and_says_so(self, harness: Harness) -> None:
        async with harness.link(Behaviour.WRONG_PASSWORD) as carrier:
            results = await carrier.submit(parcel(2))
            assert all(isinstance(result, Halted) for result in results)
            assert carrier.halted() is not None
        assert harness.messages_read() == 0

    @pytest.mark.longer
    async def test_what_was_not_written_comes_back_when_its_permit_is_withdrawn(
        self, harness: Harness
    ) -> None:
        permit = Permit()
        # Else a busy machine that stands still gives up what is on its way, before the far end has read it.
        async with harness.link(Behaviour.SILENT, answer_s=2.0) as carrier, asyncio.timeout(20):
            count = 2 * carrier.limits.in_flight * carrier.limits.per_submit
            under_way = asyncio.create_task(_submit(carrier, count, permit))
            await _until(lambda: harness.messages_read() > 0)
            permit.withdraw()
            results = await under_way
            await _at_rest(harness.messages_read)
        assert results.count(NOT_SENT) == count - harness.messages_read() >= count // 2
        assert {type(result) for result in results} == {Unknown, Deferred}

    @pytest.mark.parametrize("end", ["withdrawn", "over"])
    async def test_nothing_is_written_once_its_permit_has_ended(self, harness: Harness, end: str) -> None:
        permit = Permit(since_boot() - 0.001 if end == "over" else since_boot() + 60)
        if end == "withdrawn":
            permit.withdraw()
        async with harness.link(Behaviour.TAKE) as carrier, asyncio.timeout(5):
            assert await _submit(carrier, 5, permit) == [NOT_SENT] * 5
            read = harness.messages_read()
            assert [type(result) for result in await _submit(carrier, 5, Permit())] == [Accepted] * 5
        assert (read, harness.messages_read()) == (0, 5)

    async def test_close_settles_what_is_under_way(self, harness: Harness) -> None:
        async with harness.link(Behaviour.SILENT) as carrier, asyncio.timeout(5):
            under_way = asyncio.create_task(_submit(carrier, 4))
            await asyncio.sleep(0.02)
            await carrier.close()
            assert {type(result) for result in await under_way} <= {Unknown, Deferred}

    async def test_a_closed_link_takes_nothing(self, harness: Harness) -> None:
        async with harness.link(Behaviour.TAKE) as carrier:
            await carrier.close()
            assert [type(result) for result in await carrier.submit(parcel(2))] == [Deferred, Deferred]
        assert harness.messages_read() == 0

    @pytest.mark.parametrize("behaviour", list(Behaviour), ids=lambda behaviour: behaviour.name)
    async def test_logs_name_no_secret_and_no_whole_phone(
        self, harness: Harness, behaviour: Behaviour, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with capture_logs() as logs:
            async with harness.link(behaviour) as carrier:
                results = await carrier.submit(parcel(3))
        written = f"{logs}{caplog.text}{carrier!r}{results}"
        for secret in (*harness.secrets, *(message.phone for message in parcel(3))):
            assert secret not in written

    async def test_the_figures_of_the_link_are_those_of_its_contract(self, harness: Harness) -> None:
        async with harness.link(Behaviour.TAKE) as carrier:
            assert carrier.name
            assert carrier.limits.segments_per_second > 0
            assert carrier.segments(TEXT) == 1


async def _submit(carrier: Carrier, count: int, permit: Permit | None = None) -> Any:
    messages = [dataclasses.replace(message, permit=permit) for message in parcel(count)]
    return list(await carrier.submit(messages))


async def _at_rest(count: Callable[[], int]) -> None:
    """Wait until none more is counted in ten looks."""
    looks, before = 0, count()
    while looks < 10:
        await asyncio.sleep(0.01)
        looks, before = (looks + 1, before) if count() == before else (0, count())


async def _until(true: Callable[[], object]) -> None:
    for _ in range(500):
        if not true():
            await asyncio.sleep(0.01)

"""The deadlines of a bind to the second, in a loop whose time jumps from one timer to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

import pytest

from carriers.contract import LinkOptions
from carriers.smpp import pdu
from carriers.smpp.session import End, SmppSession, State
from carriers.smpp.settings import read_settings
from tests.carriers.smpp.test_session_flow import Pieces, Pipe, Table, answer
from tests.simulate.virtual_loop import VirtualLoop

_P = ParamSpec("_P")
BEGAN = 1000.0
ALIVE = pdu.ENQUIRE_LINK | pdu.RESPONSE


class Messages(Pieces):
    """Work of a submit() call."""

    submit_call = "a call"  # type: ignore[assignment]


class Notes(Table):
    """A link that keeps what a bind tells it, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[float, object]] = []
        self.updates = 0

    def note(self, what: object) -> None:
        self.told.append((passed(), what))

    def bound(self, command: int) -> None:
        self.note("bound")

    def ended(self) -> None:
        self.note("ended")

    def probing(self, command: int, why: str, unanswered: int) -> None:
        self.note((why, unanswered))

    def answers_again(self, command: int) -> None:
        self.note("answers again")

    def update(self) -> None:
        self.updates += 1


def passed() -> float:
    return asyncio.get_running_loop().time() - BEGAN


def at_once(work: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """Run a test in a loop of its own, in which no time is waited for."""

    @wraps(work)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        loop = VirtualLoop(None)
        loop.now = BEGAN
        try:
            loop.run_until_complete(work(*args, **kwargs))
        finally:
            loop.close()
        assert not loop.problems

    return run


def begun(command: int = pdu.BIND_TRANSCEIVER, **options: float) -> tuple[SmppSession, Pipe, Notes]:
    """A session that has sent its bind."""
    given: dict[str, object] = {"host": "smsc", "port": 1, "system_id": "loa", "password": "", "window": 5}
    given |= {"response_timeout_s": 9, "enquire_link_s": 60, "reconnect_min_s": 3, **options}
    link, pipe = Notes(), Pipe()
    session = SmppSession(read_settings(LinkOptions("l", "vnpt", 10, given)), command, link)
    session.connection_made(pipe)
    return session, pipe, link


def up(command: int = pdu.BIND_TRANSCEIVER, **options: float) -> tuple[SmppSession, Pipe, Notes]:
    """A session whose bind has just been answered."""
    session, pipe, link = begun(command, **options)
    session.data_received(pdu.frame(command | pdu.RESPONSE, 1, b"peer\0"))
    pipe.take()
    return session, pipe, link


def send(session: SmppSession, link: Notes, count: int, wide: int = 5) -> Messages:
    """So many messages, in a window that answers have opened so wide."""
    if wide > 1:
        session.window.answered(wide - 1, asyncio.get_running_loop().time() - 1)
    work = Messages()
    link.queue.extend((work, index) for index in range(count))
    session.fill()
    return work


def written(pipe: Pipe) -> list[int]:
    return [command for command, *_ in pipe.take()]


@at_once
async def test_a_bind_begins_with_number_1_and_tells_once_that_it_is_up() -> None:
    session, pipe, link = begun()
    assert (session.submits, session.sends(), session.is_probing, session.waited_s()) == (
        0,
        False,
        False,
        0.0,
    )
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [(command, sequence) for command, _, sequence, _ in pipe.take()] == [(pdu.BIND_TRANSCEIVER, 1)]
    session.data_received(pdu.frame(pdu.BIND_TRANSCEIVER | pdu.RESPONSE, 1, b"peer\0"))
    assert link.told == [(0.0, "bound")]
    assert session.sends()
    assert session.takes()
    await asyncio.sleep(4)
    assert session.lasted(3)
    assert not session.lasted(5)
    session.finish(End("over"))


@at_once
async def test_a_bind_without_an_answer_ends_at_its_deadline() -> None:
    session, _, link = begun(response_timeout_s=9)
    end = await session.end
    assert (passed(), end.why) == (9.0, "no answer to bind within 9 s")
    assert session.state is State.ENDED
    assert link.told == [(9.0, "ended")]
    assert not session.lasted(0)


@pytest.mark.parametrize("short", ["response_timeout_s", "enquire_link_s"])
def test_short_deadlines_are_looked_at_more_often(short: str) -> None:
    options: dict[str, float] = {"response_timeout_s": 50, "enquire_link_s": 50, short: 0.4}

    @at_once
    async def run() -> None:
        session, pipe, _ = up(pdu.BIND_TRANSCEIVER, **options)
        if short == "response_timeout_s":
            await session.enquire()
        else:
            await asyncio.sleep(0.6)
            assert written(pipe) == [pdu.ENQUIRE_LINK]
        assert passed() < 0.61
        session.finish(End("over"))

    run()


@at_once
async def test_an_idle_bind_is_asked_whether_it_lives_and_asked_again_only_after_its_answer() -> None:
    session, pipe, link = up(enquire_link_s=5)
    await asyncio.sleep(4.5)
    assert written(pipe) == []
    await asyncio.sleep(2)
    assert [(command, sequence) for command, _, sequence, _ in pipe.take()] == [(pdu.ENQUIRE_LINK, 2)]
    session.data_received(pdu.frame(ALIVE, 2))  # at 6.5
    await asyncio.sleep(4.5)
    assert written(pipe) == []
    await asyncio.sleep(1.5)
    assert written(pipe) == [pdu.ENQUIRE_LINK]
    assert link.told == [(0.0, "bound")]
    session.finish(End("over"))


@at_once
async def test_a_silent_bind_is_said_after_a_third_of_its_time_and_ends_after_all_of_it() -> None:
    session, _, link = up(enquire_link_s=5, response_timeout_s=9)
    send(session, link, 1)
    end = await session.end
    assert link.told[1:] == [(8.0, ("no traffic for 8 s", 1)), (14.0, "ended")]
    assert end.why == "no answer to enquire_link within 9 s"


@at_once
async def test_a_silent_bind_takes_nothing_until_anything_is_heard() -> None:
    session, pipe, link = up(enquire_link_s=5, response_timeout_s=9)
    await asyncio.sleep(8.5)
    assert (session.silent, session.is_probing, session.takes()) == (True, True, False)
    (_, _, asked, _) = pipe.take()[-1]
    session.data_received(pdu.frame(pdu.ENQUIRE_LINK, 7))
    assert (session.silent, session.is_probing, session.takes()) == (False, False, True)
    await asyncio.sleep(4)
    session.data_received(pdu.frame(ALIVE, asked))
    assert [what for _, what in link.told[1:]] == [("no traffic for 8 s", 0), "answers again"]
    session.finish(End("over"))


@at_once
async def test_a_bind_that_only_receives_is_not_said_to_be_silent() -> None:
    session, _, link = up(pdu.BIND_RECEIVER, enquire_link_s=5, response_timeout_s=9)
    end = await session.end
    assert (passed(), end.why) == (14.0, "no answer to enquire_link within 9 s")
    assert link.told == [(0.0, "bound"), (14.0, "ended")]


@at_once
async def test_each_message_is_given_up_at_its_own_deadline() -> None:
    session, pipe, link = up()
    first = send(session, link, 1)
    await asyncio.sleep(4)
    assert session.waited_s() == 4.0
    later = send(session, link, 1, wide=1)
    await asyncio.sleep(4.5)
    assert (first.outcomes, later.outcomes) == ({}, {})
    await asyncio.sleep(1)
    assert (first.outcomes, later.outcomes) == ({0: "no answer within 9 s"}, {})
    assert pipe.take()[-1][0] == pdu.ENQUIRE_LINK  # nothing was heard since it was sent
    session.data_received(pdu.frame(ALIVE, session.sequence))
    await asyncio.sleep(4)
    assert later.outcomes == {0: "no answer within 9 s"}
    assert session.waited_s() == 13.5
    session.finish(End("over"))


@at_once
async def test_a_message_given_up_is_no_reason_to_ask_where_others_were_answered() -> None:
    session, pipe, link = up()
    work = send(session, link, 2)
    await asyncio.sleep(3)
    answer(session, 3)
    await asyncio.sleep(7)
    assert work.outcomes == {1: "answered", 0: "no answer within 9 s"}
    assert written(pipe) == [pdu.SUBMIT_SM] * 2
    assert link.told == [(0.0, "bound")]
    session.finish(End("over"))


@at_once
async def test_a_question_without_an_answer_holds_no_window() -> None:
    session, _, link = up()
    work = Pieces()
    link.queue.append((work, 0))
    session.fill()
    assert session.waited_s() == 0.0
    await asyncio.sleep(9.5)
    assert work.outcomes == {0: "no answer within 9 s"}
    assert (session.window.unanswered, session.is_probing) == (0, False)
    session.finish(End("over"))


@pytest.mark.parametrize("more", [0, 1])
def test_messages_without_an_answer_hold_the_bind_and_say_how_many(more: int) -> None:
    @at_once
    async def run() -> None:
        session, pipe, link = up()
        send(session, link, 2)
        await asyncio.sleep(4)
        send(session, link, more, wide=1)
        pipe.take()
        await asyncio.sleep(5.5)
        assert link.told[1:] == [(9.0, (f"no answer to {2 + more} messages within 9 s", 2 + more))]
        assert (session.is_probing, session.takes(), link.updates) == (True, False, 1)
        assert written(pipe) == [pdu.ENQUIRE_LINK]
        session.finish(End("over"))

    run()


@at_once
async def test_a_probing_bind_sends_what_waits_as_a_probe_by_itself() -> None:
    session, pipe, link = up()
    send(session, link, 2)
    await asyncio.sleep(9.5)
    session.data_received(pdu.frame(ALIVE, session.sequence))
    pipe.take()
    work = Messages()
    link.queue.extend((work, index) for index in range(3))
    await asyncio.sleep(2)
    assert written(pipe) == []
    await asyncio.sleep(1)  # three seconds since it probes
    assert written(pipe) == [pdu.SUBMIT_SM]
    answer(session, session.sequence)
    assert link.told[-1] == (12.5, "answers again")
    assert written(pipe) == [pdu.SUBMIT_SM] * 2
    assert (session.is_probing, session.takes()) == (False, True)
    session.finish(End("over"))


@at_once
async def test_a_peer_that_reads_nothing_ends_the_bind_at_the_deadline() -> None:
    session, _, _ = up()
    session.pause_writing()
    assert session.room() == 0
    end = await session.end
    assert (passed(), end.why) == (9.0, "the carrier stopped reading within 9 s")


@pytest.mark.parametrize(("timeout_s", "ends_s"), [(60, 2.0), (1, 1.0)])
def test_an_unbind_without_an_answer_is_waited_for_two_seconds_at_most(
    timeout_s: float, ends_s: float
) -> None:
    @at_once
    async def run() -> None:
        session, pipe, link = up(response_timeout_s=timeout_s)
        await session.leave()
        assert passed() == ends_s
        assert written(pipe) == [pdu.UNBIND]
        assert link.told[-1] == (ends_s, "ended")

    run()


@at_once
async def test_leaving_gives_the_last_message_and_then_the_unbind_all_of_their_time() -> None:
    session, pipe, link = up(response_timeout_s=1)
    work = send(session, link, 1)
    await session.leave()
    assert (passed(), work.outcomes) == (2.0, {0: "no answer within 1 s"})
    assert written(pipe) == [pdu.SUBMIT_SM, pdu.UNBIND]
    assert (await session.end).why == "no answer to unbind within 1 s"


@at_once
async def test_leaving_waits_for_an_answer_that_comes_in_time() -> None:
    session, pipe, link = up()
    work = send(session, link, 1)
    leaving = asyncio.create_task(session.leave())
    await asyncio.sleep(4)
    assert (session.takes(), written(pipe)) == (False, [pdu.SUBMIT_SM])
    answer(session, 2)
    await asyncio.sleep(0.5)
    assert (work.outcomes, written(pipe)) == ({0: "answered"}, [pdu.UNBIND])
    session.data_received(pdu.frame(pdu.UNBIND | pdu.RESPONSE, 3))
    await leaving
    assert (passed(), (await session.end).why) == (4.5, "left")


@at_once
async def test_whether_a_bind_lives_is_asked_once_and_its_end_is_an_answer_too() -> None:
    session, pipe, _ = begun(enquire_link_s=5)
    assert not await session.enquire()
    session.data_received(pdu.frame(pdu.BIND_TRANSCEIVER | pdu.RESPONSE, 1, b"peer\0"))
    pipe.take()
    await asyncio.sleep(5.5)  # it has been asked by itself
    asks = asyncio.create_task(session.enquire())
    await asyncio.sleep(1)
    assert (written(pipe), asks.done()) == ([pdu.ENQUIRE_LINK], False)
    session.data_received(pdu.frame(ALIVE, 2))
    assert await asks
    asks = asyncio.create_task(session.enquire())
    await asyncio.sleep(1)
    assert written(pipe) == [pdu.ENQUIRE_LINK]
    session.connection_lost(None)
    assert not await asks
    assert not await session.enquire()


@at_once
async def test_a_nack_is_an_answer_and_opens_the_window_by_one() -> None:
    session, _, link = up()
    work = send(session, link, 3, wide=1)
    session.data_received(pdu.frame(pdu.GENERIC_NACK, 2, status=3))
    assert (work.outcomes, session.window.answers, len(session.in_flight)) == ({0: "nacked"}, 1, 2)

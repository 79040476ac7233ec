"""Sequence numbers, and a peer that stops reading, on a transport that the test turns by hand."""

from __future__ import annotations

import asyncio

from carriers.contract import Acknowledge, Deferred, Halted, LinkOptions
from carriers.smpp import pdu
from carriers.smpp.session import UNREAD_LIMIT, Counters, PieceQueue, SmppSession, State
from carriers.smpp.settings import read_settings
from tests.carriers.smpp.peer import deliver_body


class Pipe(asyncio.Transport):
    """Keeps what is written; `unread` is what the peer has not read yet."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = self.unread = 0
        self.reading, self.closed = True, False

    def write(self, data: bytes | bytearray | memoryview) -> None:  # type: ignore[override]
        self.written += bytes(data)
        self.writes += 1

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def take(self) -> list[tuple[int, int, int, bytes]]:
        """The PDUs written since the last call."""
        buffer, self.written = bytearray(self.written), b""
        return list(pdu.frames(buffer))


class Pieces:
    """Work that notes what became of it."""

    submit_call = None

    def __init__(self) -> None:
        self.outcomes: dict[int, str] = {}

    def may_go(self, index: int) -> bool:
        return True

    def pdu(self, index: int, sequence: int) -> bytes:
        return pdu.frame(pdu.SUBMIT_SM, sequence)

    def answered(self, index: int, status: int, body: bytes) -> None:
        self.outcomes[index] = "answered"

    def nacked(self, index: int, status: int) -> None:
        self.outcomes[index] = "nacked"

    def lost(self, index: int, why: str) -> None:
        self.outcomes[index] = why

    def unsent(self, index: int, why: Deferred | Halted) -> None:
        self.outcomes[index] = "unsent"


class Table:
    """A link without anything behind it."""

    def __init__(self) -> None:
        self.queue = PieceQueue()
        self.counters = Counters()

    def bound(self, command: int) -> None: ...

    def ended(self) -> None: ...

    def deliver(self, message: pdu.ShortMessage, acknowledge: Acknowledge) -> None: ...

    def odd(self, kind: str, detail: str) -> None: ...

    def answered(self) -> None: ...

    def probing(self, command: int, why: str, unanswered: int) -> None: ...

    def answers_again(self, command: int) -> None: ...

    def update(self) -> None: ...


def bound(window: int = 2, timeout_s: float = 60) -> tuple[SmppSession, Pipe, Table]:
    """A session whose bind has been answered, and whose window is open."""
    options = {"host": "smsc", "port": 1, "system_id": "loa", "password": "", "window": window}
    options["response_timeout_s"] = timeout_s
    table, pipe = Table(), Pipe()
    session = SmppSession(read_settings(LinkOptions("l", "vnpt", 10, options)), pdu.BIND_TRANSCEIVER, table)
    session.connection_made(pipe)
    session.data_received(pdu.frame(pdu.BIND_TRANSCEIVER | pdu.RESPONSE, 1, b"peer\0"))
    session.window.answered(window, 0.0)
    pipe.take()
    return session, pipe, table


def answer(session: SmppSession, *sequences: int) -> None:
    session.data_received(
        b"".join(pdu.frame(pdu.SUBMIT_SM_RESP, sequence, b"7f\0") for sequence in sequences)
    )


async def test_an_acknowledgement_is_written_as_soon_as_it_is_given() -> None:
    session, pipe, table = bound()
    waiting: list[Acknowledge] = []
    table.deliver = lambda message, acknowledge: waiting.append(acknowledge)  # type: ignore[method-assign]
    for number in (7, 8):
        session.data_received(pdu.frame(pdu.DELIVER_SM, number, deliver_body()))
        assert pipe.take() == []
        waiting.pop()(True)
        await asyncio.sleep(0)
        assert [(command, sequence) for command, _, sequence, _ in pipe.take()] == [
            (pdu.DELIVER_SM_RESP, number)
        ]


async def test_sequence_numbers_begin_again_at_1_and_pass_over_those_in_flight() -> None:
    session, pipe, table = bound(window=4)
    work = Pieces()
    table.queue.extend([(work, 0)])
    session.fill()
    assert [one[2] for one in pipe.take()] == [2]
    session.sequence = pdu.MAX_SEQUENCE - 1
    table.queue.extend([(work, 1), (work, 2), (work, 3)])
    session.fill()
    assert [one[2] for one in pipe.take()] == [0x7FFFFFFF, 1, 3]
    answer(session, 2, 0x7FFFFFFF, 1, 3)
    assert work.outcomes == dict.fromkeys(range(4), "answered")
    session.connection_lost(None)


async def test_answers_and_new_messages_go_out_in_one_write() -> None:
    session, pipe, table = bound(window=10)
    table.queue.extend((Pieces(), index) for index in range(25))
    session.fill()
    before = pipe.writes
    answer(session, *range(2, 12))
    assert len(pipe.take()) == 20
    assert pipe.writes == before + 1
    session.connection_lost(None)


async def test_a_peer_that_stops_reading_gets_no_more_messages_until_it_reads_again() -> None:
    session, pipe, table = bound(window=5)
    work = Pieces()
    table.queue.extend((work, index) for index in range(8))
    session.pause_writing()
    session.fill()
    assert pipe.take() == []
    session.resume_writing()
    assert len(pipe.take()) == 5
    session.pause_writing()
    answer(session, 2, 3)
    assert pipe.take() == []
    session.resume_writing()
    assert len(pipe.take()) == 2
    session.connection_lost(OSError())
    assert sorted(work.outcomes.values()) == ["answered"] * 2 + ["the connection broke"] * 5
    assert len(table.queue) == 1


async def test_a_peer_that_only_talks_is_read_no_further_until_it_listens() -> None:
    session, pipe, _ = bound()
    session.pause_writing()
    pipe.unread = UNREAD_LIMIT
    session.data_received(pdu.frame(pdu.ENQUIRE_LINK, 1))
    assert pipe.reading
    pipe.unread = UNREAD_LIMIT + 1
    session.data_received(pdu.frame(pdu.ENQUIRE_LINK, 2))
    assert not pipe.reading
    session.resume_writing()
    assert pipe.reading
    session.connection_lost(None)


async def test_a_peer_that_reads_nothing_until_the_deadline_has_lost_its_bind() -> None:
    session, pipe, table = bound(timeout_s=0.1)
    work = Pieces()
    table.queue.append((work, 0))
    session.fill()
    session.pause_writing()
    async with asyncio.timeout(5):
        end = await session.end
    assert end.why == "the carrier stopped reading within 0.1 s"
    assert session.state is State.ENDED
    assert pipe.closed
    assert list(work.outcomes) == [0]


async def test_what_comes_after_the_end_is_passed_over() -> None:
    session, pipe, _ = bound()
    session.data_received(
        pdu.frame(pdu.UNBIND, 7) + pdu.frame(pdu.ENQUIRE_LINK, 8) + pdu.frame(pdu.DELIVER_SM, 9)
    )
    session.connection_lost(None)
    assert [one[0] for one in pipe.take()] == [pdu.UNBIND | pdu.RESPONSE]
    assert (await session.end).why == "the carrier unbound"


async def test_leaving_waits_for_the_answers_and_not_longer_than_their_deadline() -> None:
    session, pipe, table = bound(timeout_s=0.1)
    work = Pieces()
    table.queue.append((work, 0))
    session.fill()
    await session.leave()
    assert [one[0] for one in pipe.take()] == [pdu.SUBMIT_SM, pdu.UNBIND]
    assert work.outcomes == {0: "no answer within 0.1 s"}
    await session.leave()

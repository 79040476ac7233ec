"""Which messages never left this process, by how much the system has taken."""

from __future__ import annotations

import pytest

from carriers.smpp import pdu
from carriers.smpp.session import WriteBuffer
from tests.carriers.smpp.test_session_flow import Pipe

FIRST, SECOND = (pdu.frame(pdu.SUBMIT_SM, sequence, b"a message") for sequence in (2, 3))
ENQUIRY = pdu.frame(pdu.ENQUIRE_LINK, 4)
BEHIND = len(SECOND + ENQUIRY)


@pytest.mark.parametrize(
    ("unread", "left"),
    [
        (0, set()),
        (len(ENQUIRY), set()),
        (BEHIND - 1, set()),
        (BEHIND, {3}),
        (len(FIRST) + BEHIND - 1, {3}),
        (len(FIRST) + BEHIND, {2, 3}),
    ],
)
def test_a_message_of_which_no_byte_was_taken_was_never_sent(unread: int, left: set[int]) -> None:
    pipe = Pipe()
    buffer = WriteBuffer(pipe)
    buffer.write([FIRST])
    pipe.unread = len(FIRST)
    buffer.write([SECOND, ENQUIRY])
    pipe.unread = unread
    assert buffer.left() == left


def test_what_the_system_has_taken_is_kept_no_longer() -> None:
    buffer = WriteBuffer(Pipe())
    for _ in range(3):
        buffer.write([FIRST, SECOND])
    assert buffer._recent == [FIRST, SECOND]

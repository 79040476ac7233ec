"""How long a bind waits before it is tried again: hardly, then longer, longest where a try may do harm."""

from __future__ import annotations

import asyncio
from copy import copy

import pytest

from carriers.contract import LinkOptions
from carriers.smpp import pdu
from carriers.smpp.reconnect import QUICK_S, Pauses
from carriers.smpp.session import End, SmppSession
from carriers.smpp.settings import SmppSettings, read_settings
from tests.carriers.smpp.test_session_flow import Table

BROKE, REFUSED = End("the connection broke"), End("refused", 0x0D)
OPTIONS = {"host": "smsc", "port": 1, "system_id": "loa", "password": "", "window": 3}
OPTIONS |= {"reconnect_min_s": 1, "reconnect_max_s": 8, "probe_max_s": 40}


def settings() -> SmppSettings:
    return read_settings(LinkOptions("l", "vnpt", 10, OPTIONS))


def session(submits: int = 0, answers: int = 0, lasted_s: float = 0.0) -> SmppSession:
    """A bind that is over after so many messages, answers and seconds."""
    found = SmppSession(settings(), pdu.BIND_TRANSCEIVER, Table())
    found.submits = submits
    if answers:
        found.window.answered(answers, 0.0)
    if lasted_s:
        found.bound_at = asyncio.get_running_loop().time() - lasted_s
    return found


def longest(pauses: Pauses, over: SmppSession, end: End) -> float:
    """The pause without its chance, which takes up to half of it away."""
    drawn = [copy(pauses).after(over, end) for _ in range(60)]
    pauses.after(over, end)
    most = max(drawn)
    assert min(drawn) > 0.4 * most
    return most


def about(*seconds: float) -> list[object]:
    return [pytest.approx(each, rel=0.1) for each in seconds]


@pytest.mark.longer
@pytest.mark.parametrize(
    ("end", "submits", "pauses_s"),
    [
        (BROKE, 0, (QUICK_S, 1, 2, 4, 8, 8, 8)),
        (REFUSED, 0, (QUICK_S, 1, 2, 4, 8, 16, 32, 40, 40)),
        (BROKE, 1, (QUICK_S, 1, 2, 4, 8, 16, 32, 40, 40)),  # each try may make a message unknown
    ],
)
async def test_pauses_double_up_to_the_longest_that_does_no_harm(
    end: End, submits: int, pauses_s: tuple[float, ...]
) -> None:
    pauses = Pauses(settings())
    assert [longest(pauses, session(submits), end) for _ in pauses_s] == about(*pauses_s)


@pytest.mark.parametrize(
    ("submits", "answers", "lasted_s", "first_again"),
    [
        (3, 3, 0.0, True),  # a window of answers
        (2, 2, 0.0, False),
        (0, 0, 9.0, True),  # it was up for long
        (0, 0, 7.0, False),
        (5, 0, 9.0, False),  # but what it sent was not answered
        (5, 1, 9.0, True),
    ],
)
async def test_a_connection_that_worked_is_tried_again_at_once(
    submits: int, answers: int, lasted_s: float, first_again: bool
) -> None:
    pauses = Pauses(settings())
    for _ in range(3):
        longest(pauses, session(), BROKE)
    found = longest(pauses, session(submits, answers, lasted_s), BROKE)
    assert [found] == about(QUICK_S if first_again else 4)

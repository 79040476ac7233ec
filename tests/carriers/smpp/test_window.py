"""The window of a bind: how it opens, when it probes, and how single messages probe."""

from __future__ import annotations

import pytest

from carriers.smpp.session import Window


def opened(size: int = 10, at: float = 4.0) -> Window:
    """A window that answers, the last of them at this time, have opened to its full size."""
    window = Window(size, first_s=1.0, longest_s=4.0)
    window.answered(size, at)
    return window


def probing(at: float = 20.0) -> Window:
    """A window that probes since then, as two messages were not answered."""
    window = opened()
    for sent in (5.0, 6.0):
        window.given_up(sent, at)
    assert window.begins_to_hold(0, at)
    return window


def test_one_goes_after_a_bind_and_one_more_with_each_answer_up_to_the_size() -> None:
    window = Window(10, first_s=1.0, longest_s=4.0)
    assert (window.room(0, 0.0), window.room(1, 0.0)) == (1, 0)
    window.sent()
    window.answered(1, 1.0)
    assert (window.room(0, 1.0), window.room(1, 1.0)) == (2, 1)
    window.answered(5, 2.0)
    assert window.room(3, 2.0) == 4
    window.answered(50, 3.0)
    assert (window.room(0, 3.0), window.answers, window.probing) == (10, 56, False)


def test_what_is_not_answered_keeps_its_place_until_anything_is() -> None:
    window = opened()
    window.given_up(5.0, 15.0)
    window.given_up(6.0, 16.0)
    assert (window.unanswered, window.room(3, 16.0)) == (2, 5)
    window.answered(1, 17.0)
    assert (window.unanswered, window.unanswered_since, window.room(0, 17.0)) == (0, None, 10)


@pytest.mark.parametrize(
    ("sent", "given_up", "unanswered", "room"),
    [
        (4.0, 9.0, 1, 9),  # the answer came no later than it was sent
        (3.0, 4.5, 0, 10),  # answers came for most of its time
        (2.0, 6.0, 0, 10),  # for half of it
        (3.0, 5.5, 0, 2),  # and then none for the longer part
    ],
)
def test_silence_since_the_last_answer_tells_a_lost_answer_from_a_silent_centre(
    sent: float, given_up: float, unanswered: int, room: int
) -> None:
    window = opened(at=4.0)
    window.given_up(sent, given_up)
    assert (window.unanswered, window.room(0, given_up)) == (unanswered, room)


def test_two_without_an_answer_hold_the_window_and_one_of_them_may_be_under_way() -> None:
    window = opened()
    assert not window.begins_to_hold(5, 14.0)
    window.given_up(5.0, 15.0)
    assert not window.begins_to_hold(0, 15.0)
    assert not window.probing
    assert window.begins_to_hold(1, 15.0)
    assert window.probing
    assert not window.begins_to_hold(1, 15.0)  # it is said once


def test_the_only_one_allowed_holds_the_window_alone() -> None:
    window = Window(10, first_s=1.0, longest_s=4.0)
    window.given_up(0.5, 10.5)
    assert window.begins_to_hold(0, 10.5)


def test_a_probing_window_has_one_message_as_a_probe_after_a_pause_and_none_beside_it() -> None:
    window = probing(at=20.0)
    assert (window.room(0, 20.0), window.room(0, 20.9), window.room(0, 21.0)) == (0, 0, 1)
    assert window.room(1, 30.0) == 0


def test_each_probe_without_an_answer_doubles_the_pause_up_to_the_longest() -> None:
    window, at = probing(at=20.0), 21.0
    for pause_s in (2.0, 4.0, 4.0):
        window.sent()
        window.given_up(at, at + 10)
        assert (window.room(0, at + 10 + pause_s - 0.1), window.room(0, at + 10 + pause_s)) == (0, 1)
        at += 10 + pause_s


def test_sending_lengthens_no_pause_of_a_window_that_does_not_probe() -> None:
    window = opened()
    for _ in range(5):
        window.sent()
    window.given_up(5.0, 15.0)
    assert window.begins_to_hold(1, 15.0)
    assert window.room(0, 16.0) == 1


def test_an_answer_to_a_probe_lets_two_go_and_then_more() -> None:
    window = probing()
    window.answered(1, 25.0)
    assert (window.probing, window.room(0, 25.0)) == (False, 2)
    window.answered(2, 26.0)
    assert window.room(0, 26.0) == 4


def test_messages_wait_since_the_oldest_without_an_answer() -> None:
    window = opened(at=8.0)
    assert window.waits_since(None) is None
    assert (window.waits_since(3.0), window.waits_since(9.0)) == (8.0, 9.0)
    window.given_up(10.0, 20.0)
    window.given_up(11.0, 21.0)
    assert (window.waits_since(None), window.waits_since(15.0)) == (10.0, 10.0)
    window.answered(1, 22.0)
    assert window.waits_since(None) is None
    assert Window(5, 1.0, 4.0).waits_since(3.0) == 3.0

"""The small parts of the simulated message centre: ids, lots, timers, readers."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.simulators import randomness
from carriers.simulators.randomness import Pace, Randomness, TimerWheel, unit
from carriers.simulators.smsc.behaviour import FORMS, Ids, SmscBehaviour
from carriers.simulators.smsc.messages import Part, read_header, read_sar
from carriers.smpp import pdu
from tests.long.carriers.simulators.esme import until


@given(st.integers(0, 10**6), st.integers(0, 2**31 - 1), st.sampled_from(sorted(FORMS)))
def test_an_id_leads_back_to_its_message(seed: int, index: int, form: str) -> None:
    ids = Ids(seed)
    ids.use(form, "same")
    assert ids.index(ids.answer(index)) == index
    assert ids.receipt(index) == ids.answer(index)


@given(st.integers(0, 2**31 - 1), st.sampled_from(sorted(FORMS)))
def test_the_other_base_is_the_same_number(index: int, form: str) -> None:
    ids = Ids(1)
    ids.use(form, "same")
    base = FORMS[form][0]
    assert int(ids.receipt(index, other_base=True), 26 - base) == int(ids.answer(index), base)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"id_form": "octal"}, "id_form: 'octal' is not known; give one of dec"),
        ({"receipts_on": "moon"}, "give one of own, other, any"),
        ({"throttle": 0.6, "drop": 0.5}, "the shares of answers must be 0 or more, and 1 or less together"),
        ({"twice": -0.1}, "the shares of reporting"),
        ({"outcomes": "UNDELIV/001"}, "outcomes: 'UNDELIV/001' must be NAME=SHARE"),
        ({"outcomes": "LOST=0.1"}, "outcomes: 'LOST' is not known"),
        ({"refusals": "0x0B=many"}, "must be NAME=SHARE"),
    ],
)
def test_wrong_behaviour_are_refused_in_a_sentence(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        SmscBehaviour(**wrong)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("throttle", "0.9", 0.9),
        ("refuse_binds", "0x0D", 13),
        ("id_form", "hex", "hex"),
    ],
)
def test_a_manner_is_read_from_text(name: str, text: str, value: object) -> None:
    assert randomness.parse(SmscBehaviour, name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [("throttle", "much", "not a number"), ("seed", "1.5", "not a number")],
)
def test_a_manner_that_can_not_be_read_is_named(name: str, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        randomness.parse(SmscBehaviour, name, text)


@pytest.mark.parametrize(
    ("at", "thing"), [(0.0, "a"), (0.0999, "a"), (0.1, "b"), (0.29, "b"), (0.31, "usual"), (1.0, "usual")]
)
def test_a_lot_gives_each_thing_its_share(at: float, thing: str) -> None:
    assert Randomness("x", "usual", [(0.1, "a"), (0.0, "never"), (0.2, "b")]).draw(at) == thing


def test_all_of_a_lot_is_drawn_when_the_share_is_one() -> None:
    assert Randomness("x", "usual", [(1.0, "a")]).draw(unit(1, 2, 3)) == "a"


@pytest.mark.parametrize("salt", [1, 2, 3])
def test_draws_for_consecutive_numbers_are_even_and_independent(salt: int) -> None:
    draws = [unit(1, salt, 84910000000 + n, 1) for n in range(20_000)]
    tenths = [sum(k <= 10 * draw < k + 1 for draw in draws) for k in range(10)]
    assert all(1800 < count < 2200 for count in tenths)
    both = sum(draw < 0.5 and unit(1, salt + 1, 84910000000 + n, 1) < 0.5 for n, draw in enumerate(draws))
    assert 4700 < both < 5300


async def test_timers_run_in_order_and_never_early() -> None:
    loop = asyncio.get_running_loop()
    wheel, ran = TimerWheel(loop), []
    for delay in (0.03, 0.01, 0.02, 0.01):  # from now on, and a busy machine may have paused since the last
        wheel.call(delay, lambda due: ran.append((due, loop.time())), loop.time() + delay)
    await until(lambda: len(ran) == 4)
    assert all(earlier < later + 0.005 for (earlier, _), (later, _) in pairwise(ran))
    assert all(at >= due for due, at in ran)


async def test_a_timer_asked_for_by_a_timer_runs_too_and_none_after_the_close() -> None:
    wheel, ran = TimerWheel(asyncio.get_running_loop()), []
    wheel.call(0, lambda _: wheel.call(0, ran.append, "second"), None)
    await until(lambda: ran)
    wheel.call(0, ran.append, "never")
    wheel.close()
    await asyncio.sleep(0.02)
    assert ran == ["second"]


async def test_the_newest_of_a_tick_may_run_first() -> None:
    wheel, ran = TimerWheel(asyncio.get_running_loop()), []
    wheel.newest_first = True
    for number in range(50):
        wheel.call(0.01, ran.append, number)
    await until(lambda: len(ran) == 50)
    assert sorted(ran) == list(range(50)) != ran


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (bytes((0, 3, 7, 4, 2)), Part(7, 4, 2)),
        (bytes((8, 4, 1, 7, 4, 2)), Part(263, 4, 2)),
        (bytes((5, 2, 1, 1, 0, 3, 7, 4, 2)), Part(7, 4, 2)),
        (bytes((0, 3, 7, 2, 3)), None),
        (bytes((0, 3, 7, 4, 0)), None),
        (bytes((0, 2, 7, 4)), None),
        (bytes((0, 3, 7)), None),
        (b"", None),
    ],
)
def test_a_part_is_read_from_its_header(header: bytes, part: Part | None) -> None:
    assert read_header(header) == part


@given(st.binary(max_size=30))
def test_no_header_is_too_odd_to_be_read(header: bytes) -> None:
    part = read_header(header)
    assert part is None or 1 <= part.number <= part.total


@pytest.mark.parametrize(
    ("total", "number", "part"), [(b"\3", b"\1", Part(258, 3, 1)), (b"\3", b"\4", None), (b"", b"", None)]
)
def test_a_part_is_read_from_the_sar_parameters(total: bytes, number: bytes, part: Part | None) -> None:
    assert read_sar({pdu.TAG_SAR_REF: b"\1\2", pdu.TAG_SAR_TOTAL: total, pdu.TAG_SAR_SEQ: number}) == part


def test_the_pace_keeps_the_fullest_second() -> None:
    pace = Pace()
    assert [pace.add(at) for at in (1.0, 1.9, 2.0, 2.1, 2.2, 5.0)] == [1, 2, 1, 2, 3, 1]
    assert pace.peak == 3

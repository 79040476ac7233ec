"""A wrong id_mode is noticed after a few receipts, and the right one is named."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.smpp.receipt import ENOUGH, LEARNT, REMEMBERED, SELDOM, SURE, IdBases, canonical
from tests.carriers.smpp.peer import Inbox, Link, many, until


@pytest.mark.longer
@pytest.mark.parametrize(
    ("mode", "answer", "receipt", "right"),
    [
        ("same", "hex", "dec", "hex_dec"),
        ("same", "dec", "hex", "dec_hex"),
        ("hex_dec", "dec", "dec", "same"),
        ("dec_hex", "hex", "hex", "same"),
        ("hex_dec", "dec", "hex", "dec_hex"),
        ("same", "dec", "dec", None),
        ("hex_dec", "hex", "dec", None),
        ("dec_hex", "dec", "hex", None),
    ],
)
async def test_a_wrong_id_mode_is_named_and_a_right_one_is_not(
    mode: str, answer: str, receipt: str, right: str | None
) -> None:
    count = 1000 if answer == receipt == "hex" else 3 * ENOUGH  # few hexadecimal ids are digits only
    inbox, behaviour = Inbox(), SmscBehaviour(id_form=answer, receipt_id_form=receipt)
    async with Smsc(behaviour) as smsc, Link(smsc.port, id_mode=mode) as carrier:
        carrier.deliver_to(inbox)
        await carrier.ready()
        with capture_logs() as logs:
            await carrier.submit(many(count))
            await until(lambda: len(inbox.receipts) == count)
        remark = carrier.health().remark
    said = [each for each in logs if each["event"] == "id_mode is wrong"]
    if right is None:
        assert (remark, said) == ("", [])
    else:
        assert f"id_mode is {mode}" in remark
        assert f"Set id_mode to {right}" in remark
        assert len(said) == 1


async def test_some_receipts_in_the_other_base_among_many_are_no_wrong_mode() -> None:
    inbox = Inbox()
    async with Smsc(SmscBehaviour(id_form="dec", other_base=0.3)) as smsc, Link(smsc.port) as carrier:
        carrier.deliver_to(inbox)
        await carrier.ready()
        await carrier.submit(many(100))
        await until(lambda: len(inbox.receipts) == 100)
        assert carrier.health().remark == ""


def test_receipts_of_messages_that_nobody_remembers_say_nothing() -> None:
    bases = IdBases("same")
    for number in range(1_000_000, 1_000_500):
        bases.answered(str(number))
    for number in range(500_000, 500_500):
        assert bases.received(canonical(str(number), "same", "receipt"), lambda n=number: [str(n)]) is None


@pytest.mark.longer
def test_what_is_remembered_has_a_bound_and_a_mode_that_fits_is_looked_at_seldom() -> None:
    bases = IdBases("same")
    for number in range(2 * REMEMBERED):
        bases.answered(f"{number:x}")
    assert max(map(len, bases._known.values())) <= REMEMBERED
    for number in range(2 * REMEMBERED - SURE, 2 * REMEMBERED):
        assert bases.received(f"{number:x}", tuple) is None
    newest = bases._newest[-1]
    bases.answered("abc0123")
    assert bases._newest[-1] == newest


def test_another_mode_is_named_once_enough_receipts_fit_it_alone() -> None:
    bases = IdBases("same")
    named = []
    for number in range(0xA000, 0xA000 + ENOUGH):
        bases.answered(f"{number:x}")
        written = str(number)
        named.append(bases.received(canonical(written, "same", "receipt"), lambda one=written: [one]))
    assert named == [None] * (ENOUGH - 1) + ["hex_dec"]


def test_of_a_sure_mode_s_receipts_one_in_so_many_is_compared() -> None:
    bases, compared = IdBases("same"), []
    bases.answered("abc1")
    for _ in range(SURE + 10 * SELDOM):
        bases.received("abc1", lambda: compared.append(1) or [])
    assert len(compared) == SURE + 10


def test_receipts_that_come_when_their_answers_are_forgotten_are_soon_compared_seldom() -> None:
    """As at ten thousand messages a second, with receipts a second later."""
    bases, compared, late = IdBases("same"), 0, 2 * REMEMBERED

    def written(number: int) -> list[str]:
        nonlocal compared
        compared += 1
        return [str(number)]

    for number in range(late + LEARNT + 10 * SELDOM):
        bases.answered(str(10**9 + number))
        if number >= late:
            assert (
                bases.received(str(10**9 + number - late), lambda n=number: written(10**9 + n - late)) is None
            )
    assert compared < LEARNT + 10 * SELDOM


@pytest.mark.longer
def test_a_wrong_mode_is_named_though_its_answers_are_forgotten_early() -> None:
    bases, late = IdBases("same"), 2 * REMEMBERED
    for number in range(40 * REMEMBERED):
        bases.answered(f"{number + 0xA00000:x}")
        receipt = str(number - late + 0xA00000)
        if number >= late and bases.received(receipt, lambda one=receipt: [one]) == "hex_dec":
            return
    raise AssertionError

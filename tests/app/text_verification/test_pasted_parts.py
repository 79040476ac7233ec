"""Parts that telephones list apart, and citizens paste as they find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from app.text_verification.compare import TextVerdict, WordChange
from carriers.text import split
from tests.app.text_verification.test_compare import ACCENTED, known, verdict

LONG = (
    "Canh bao lua dao qua mang: khong chuyen tien cho nguoi la, khong doc ma OTP, khong bam vao duong link "
    "la, khong cai ung dung la vao dien thoai cua minh nhe ba con. Dt 113."
)
MARKED = f"{ACCENTED} Gọi 113."
WAYS: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "as they are": list,
    "with the sender before each": lambda parts: [f"CA SONLA: {each}" for each in parts],
    "with the sender above each": lambda parts: [line for each in parts for line in ("CA SONLA", each)],
    "with a carrier's word": lambda parts: [f"(TB) {each}" for each in parts],
    "counted before": lambda parts: [f"({n}/{len(parts)}) {each}" for n, each in enumerate(parts, 1)],
    "counted behind": lambda parts: [f"{each} {n}/{len(parts)}" for n, each in enumerate(parts, 1)],
    "counted behind the sender": lambda parts: [
        f"CA SONLA: {n}/{len(parts)} {each}" for n, each in enumerate(parts, 1)
    ],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", [LONG, MARKED])
def test_parts_in_any_order_are_the_text(text: str, way: str) -> None:
    parts = split(text).parts
    assert len(parts) > 1
    told = WAYS[way](parts)
    assert (
        verdict("\n".join(WAYS[way](parts[::-1]) if "count" not in way else told[::-1]), text)
        is TextVerdict.GENUINE
    )
    assert verdict("\n".join([*told, *told]), text) is TextVerdict.GENUINE
    assert verdict("\n\n".join([*told[1:], *told[:1]]), text) is TextVerdict.GENUINE


@pytest.mark.parametrize("way", WAYS)
def test_what_was_put_among_the_parts_is_found(way: str) -> None:
    told = WAYS[way](split(LONG).parts)
    for forged in ("Hay goi so 0912 345 678.", "la", "3/2", "CA SONLA 0912"):
        assert verdict("\n".join([*told[::-1], forged]), LONG) is not TextVerdict.GENUINE, forged
    changed = [each.replace("113", "0912") for each in told]
    assert verdict("\n".join(changed[::-1]), LONG) is TextVerdict.ALTERED


def test_a_count_of_another_part_is_no_count() -> None:
    first, second = split(LONG).parts
    assert verdict(f"2/2 {first}\n1/2 {second}", LONG) is not TextVerdict.GENUINE


def test_a_line_end_hides_no_word_that_was_left_out() -> None:
    """Where a line ends and no part does, the words between are missing inside."""
    told = LONG.replace("khong chuyen tien", "chuyen tien").split(": ")
    assert verdict("\n".join(told), LONG) is TextVerdict.ALTERED
    assert verdict("\n".join(told[::-1]), LONG) is TextVerdict.ALTERED


@pytest.mark.parametrize("left", [(0, 2), (2, 0), (1, 2), (0, 1)])
def test_some_of_three_parts_are_incomplete_with_a_gap_for_the_others(left: tuple[int, int]) -> None:
    parts = split(MARKED).parts
    assert len(parts) == 3
    found = known(MARKED).look("\n".join(parts[nth] for nth in left))
    assert found.verdict is TextVerdict.INCOMPLETE
    assert sum(part.change is WordChange.MISSING for part in found.parts) == 1


def test_parts_of_two_texts_are_neither() -> None:
    both = split(LONG).parts[0] + "\n" + split(MARKED).parts[1]
    assert verdict(both, LONG, MARKED) is not TextVerdict.GENUINE
    assert verdict(both, LONG, MARKED) is not TextVerdict.INCOMPLETE


def test_a_scrap_of_a_text_is_no_forgery() -> None:
    """Of a last part there may be a few words, the first of them cut: nothing can be said of so little."""
    assert verdict("he ba con. Dt 113.", LONG) is TextVerdict.UNKNOWN
    assert verdict("he ba con. Dt 114.", LONG) is TextVerdict.ALTERED

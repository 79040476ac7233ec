"""Templates: a text goes out as what stands between the registered words, or it does not fit."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.text.template import Slot, fit, parse


@pytest.mark.parametrize(
    ("content", "text", "parameters"),
    [
        ("Canh bao.", "Canh bao.", ()),
        ("Canh bao.", "Canh bao", None),
        ("{P1}", "bat ky loi nao, 100%", ("bat ky loi nao, 100%",)),
        ("{P1}", "", None),
        ("{P1} - {P2}", "mot - hai - ba", ("mot - hai", "ba")),
        ("Goi {B,3} ngay", "Goi 113 ngay", ("113",)),
        ("Goi {B,3} ngay", "Goi 1133 ngay", None),
        ("Goi {B,3} ngay", "Goi abc ngay", None),
        ("So {B,8}.", "So 1.200.", ("1.200",)),
        ("Ma {C,10} het", "Ma AB-12/x het", ("AB-12/x",)),
        ("Ma {C,10} het", "Ma AB 12 het", None),
        ("Ten {A,10}: {D,20}", "Ten Ha&Ba: xin chao ban", ("Ha&Ba", "xin chao ban")),
        ("Ten {A,10}: {D,5}", "Ten HaBa: xin chao ban", None),
        ("{D,3}{D,3}", "abcdef", ("abc", "def")),
        ("{D,3}{D,3}", "abcde", ("abc", "de")),
        ("{D,3}{D,3}", "a", None),
        ("{D, 20} cuoi", "dong mot\ndong hai cuoi", ("dong mot\ndong hai",)),
        ("Cảnh báo: {D,9}", "Cảnh báo: giả", ("giả",)),
    ],
)
def test_a_text_fits_its_template_or_not(content: str, text: str, parameters: tuple[str, ...] | None) -> None:
    assert parse("1", content).parameters(text) == parameters


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{E,5}", "has a brace that is no placeholder"),
        ("{A}", "has a brace that is no placeholder"),
        ("{A,5", "has a brace that is no placeholder"),
        ("a } b", "has a brace that is no placeholder"),
        ("{A,0}", "has a placeholder that takes nothing"),
        ("{A,1}" * 6, "has more than 5 placeholders of one kind"),
        ("{P2} {P1}", "must number its placeholders"),
        ("{P1} {P3}", "must number its placeholders"),
        ("{P0}", "must number its placeholders"),
    ],
)
def test_a_template_that_can_not_be_is_refused_in_words(content: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse("1", content)


def test_the_first_template_that_fits_is_taken() -> None:
    templates = [parse("1", "A {B,5}"), parse("2", "A {D,50}"), parse("3", "{P1}")]
    found = [fit(templates, text) for text in ("A 12", "A muoi hai", "khac")]
    assert [each[0].id for each in found if each] == ["1", "2", "3"]
    assert fit(templates[:2], "khac") is None


SLOTS = st.builds(Slot, st.sampled_from("ACD"), st.integers(1, 12))
PIECES = st.lists(st.one_of(SLOTS, st.text("abc .:", min_size=1, max_size=6)), min_size=1, max_size=7)


@pytest.mark.longer
@given(pieces=PIECES, data=st.data())
def test_what_is_put_into_a_template_is_found_again(pieces: list[str | Slot], data: st.DataObject) -> None:
    """Perhaps in another way, where the template leaves a choice; the text that goes out is the same."""
    content = "".join(p if isinstance(p, str) else f"{{{p.kind},{p.longest}}}" for p in pieces)
    if sum(isinstance(p, Slot) for p in pieces) > 5:
        return
    template = parse("1", content)
    letters = {"A": "abcxyz019:", "C": "abcxyz019.", "D": "abc xyz"}
    text = "".join(
        p
        if isinstance(p, str)
        else data.draw(st.text(letters[p.kind], min_size=1, max_size=p.longest), label=p.kind)
        for p in pieces
    )
    parameters = template.parameters(text)
    assert parameters is not None
    slots = [p for p in template.pieces if isinstance(p, Slot)]
    assert all(len(value) <= slot.longest for value, slot in zip(parameters, slots, strict=True))
    values = iter(parameters)
    assert "".join(p if isinstance(p, str) else next(values) for p in template.pieces) == text


@pytest.mark.longer
def test_a_text_that_fits_nowhere_costs_no_time() -> None:
    template = parse("1", "a".join(["{D,600}"] * 5))
    started = time.monotonic()
    assert template.parameters("a" * 600 + "b" * 600 + "\n" * 1900) is None
    assert time.monotonic() - started < 5

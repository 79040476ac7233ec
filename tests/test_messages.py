"""The texts that come with Loa keep the rules of messages/README.md."""

import pytest

from app.campaigns.texts import Text, all_texts, with_sender
from carriers.contract import Encoding
from carriers.text import Table, Tables, encoding_of, fixes, lint, nfc, segments, unaccent

LABEL = len("(TB) ")  # what a carrier may put before the text
LABELLED = Tables(Table(160 - LABEL, 153, LABEL), Table(70 - LABEL, 67, LABEL))

LONGEST = "CA LAI CHAU"  # a sender name has 11 characters at most


def _named(text: str) -> str:
    """A form of a text as it is sent under the longest name."""
    assert LONGEST in with_sender(text, LONGEST)
    return with_sender(text, LONGEST)


every_text = pytest.mark.parametrize("text", all_texts(), ids=lambda text: text.key)


def test_the_frauds_of_the_day_are_covered() -> None:
    assert {text.key for text in all_texts()} >= {
        "gia-danh-cong-an",
        "vneid-gia",
        "nang-cap-tai-khoan",
        "viec-nhe-luong-cao",
        "nguoi-than-gap-nan",
        "dat-coc-mua-tet",
        "chuan-hoa-thue-bao",
        "goi-video-gia",
    }


def test_no_two_texts_say_the_same() -> None:
    assert len({text.accented for text in all_texts()}) == len(all_texts())
    assert len({text.title for text in all_texts()}) == len(all_texts())


@every_text
def test_the_unaccented_form_is_the_accented_one_without_accents_or_says_why_not(text: Text) -> None:
    assert text.unaccented == unaccent(text.accented) or text.reworded


@every_text
def test_lengths_stay_within_the_limits_even_behind_a_label(text: Text) -> None:
    assert encoding_of(_named(text.unaccented)) is Encoding.GSM7
    assert segments(_named(text.unaccented), LABELLED) <= 2
    assert segments(_named(text.accented), LABELLED) <= 4


@every_text
def test_a_text_of_ours_is_one_part_unaccented_and_three_accented(text: Text) -> None:
    if text.written_by == "Loa contributors":
        assert segments(_named(text.unaccented), LABELLED) == 1
        assert segments(_named(text.accented), LABELLED) <= 3


@every_text
def test_no_form_looks_like_the_fraud_or_holds_what_word_pastes(text: Text) -> None:
    forms = [_named(text.accented), _named(text.unaccented)]
    assert [lint(form) for form in forms] == [[]] * len(forms)
    assert [fixes(form) for form in forms] == [[]] * len(forms)


@every_text
def test_a_text_says_who_speaks_and_is_one_line_of_proper_vietnamese(text: Text) -> None:
    assert text.accented.startswith("{sender} cảnh báo")
    assert text.accented == nfc(text.accented).strip()
    assert "\n" not in text.accented
    assert text.accented.endswith(".")
    assert encoding_of(text.accented) is Encoding.UCS2

"""Cutting into SMS parts, counting them, and the preview of a whole run."""

import unicodedata
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carriers.contract import Encoding
from carriers.text import STANDARD, Table, Tables, encoding_of, gsm7, nfc, segments, split, ucs2, unaccent
from carriers.text.parts import preview, units
from tests.carriers.text import alphabets

LABELLED = Tables(Table(123, 153, reserved=38), Table(70, 67))
NARROW = Tables(Table(2, 2), Table(2, 2))
WARNING = (
    "Công an tỉnh cảnh báo: kẻ gian gọi điện xưng là công an, viện kiểm sát, tòa án, dọa bắt giam để ép "
    "chuyển tiền vào tài khoản lạ. Công an KHÔNG điều tra, KHÔNG thu tiền qua điện thoại. Hãy tắt máy, "
    "báo công an."
)


def length(text: str, encoding: Encoding) -> int:
    """Units on the air, counted from the octets."""
    return len(gsm7(text)) if encoding is Encoding.GSM7 else len(ucs2(text)) // 2


@pytest.mark.parametrize(
    ("character", "boundaries"),
    [("a", (160, 306, 459, 612)), ("ạ", (70, 134, 201, 268, 335, 402)), ("€", (80, 152, 228, 304))],
)
def test_one_character_over_a_boundary_costs_one_part(character: str, boundaries: tuple[int, ...]) -> None:
    for parts, most in enumerate(boundaries, start=1):
        assert segments(character * most) == parts
        assert segments(character * (most + 1)) == parts + 1


def test_a_table_with_a_label_counts_as_the_carrier_does() -> None:
    for parts, most in enumerate((123, 268, 421, 574), start=1):
        assert segments("a" * most, LABELLED) == parts
        assert segments("a" * (most + 1), LABELLED) == parts + 1


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_preview_and_parts_agree_for_composed_and_decomposed_input(form: str) -> None:
    text = unicodedata.normalize(form, WARNING)
    assert split(text) == split(nfc(text))
    assert segments(text) == 4
    assert segments(unaccent(text)) == 2


def test_an_empty_text_is_one_empty_part() -> None:
    assert split("").parts == ("",)
    assert segments("") == 1


def test_an_escape_pair_moves_whole_to_the_next_part() -> None:
    cut = split("a" * 152 + "€" + "b" * 150)
    assert [len(part) for part in cut.parts] == [152, 151]
    assert cut.units == 304


def test_a_surrogate_pair_moves_whole_to_the_next_part() -> None:
    cut = split("ạ" * 66 + "🚨" + "ạ" * 10)
    assert cut.parts == ("ạ" * 66, "🚨" + "ạ" * 10)
    assert cut.units == 78


@pytest.mark.parametrize("cluster", ["ꪁꪴ", "x\u0323\u0301", "👮🏽\u200d♂\ufe0f"])
def test_a_letter_keeps_its_marks_and_a_joined_emoji_its_members(cluster: str) -> None:
    cut = split("ạ" * 66 + cluster + "ạ" * 10)
    assert cut.parts[1].startswith(cluster)


@pytest.mark.parametrize(("marks", "first"), [(66, 10), (67, 67)])
def test_a_letter_that_fills_a_part_stays_whole_and_a_longer_one_is_cut(marks: int, first: int) -> None:
    cut = split("ạ" * 10 + "q" + "\u0321" * marks)
    assert len(cut.parts[0]) == first


def test_marks_too_many_for_a_labelled_part_are_cut_to_its_room() -> None:
    tables = Tables(Table(160, 153), Table(70, 67, reserved=30))
    cut = split("q" + "\u0321" * 80, tables)
    assert [len(part) for part in cut.parts] == [37, 44]


def test_the_last_character_of_the_first_plane_is_one_unit() -> None:
    assert units("\uffff", Encoding.UCS2) == 1
    assert units("\U00010000", Encoding.UCS2) == 2


def test_marks_too_many_for_one_part_are_cut_all_the_same() -> None:
    cut = split("x" + "\u0323\u0321" * 100)
    assert "".join(cut.parts) == nfc("x" + "\u0323\u0321" * 100)
    assert all(length(part, cut.encoding) <= 67 for part in cut.parts)


@pytest.mark.longer
@given(alphabets.anything, st.sampled_from([STANDARD, LABELLED, NARROW]))
@example("a" * 152 + "€" + "a" * 10, STANDARD)
@example("ạ" * 66 + "🚨" + "ạ" * 10, STANDARD)
def test_parts_join_to_the_text_and_each_is_whole_and_fits(text: str, tables: Tables) -> None:
    cut = split(text, tables)
    table = tables.of(cut.encoding)
    assert "".join(cut.parts) == nfc(text)
    assert cut.encoding is encoding_of(text)
    assert segments(text, tables) == len(cut.parts)
    assert cut.units == sum(length(part, cut.encoding) for part in cut.parts)
    if len(cut.parts) == 1:
        assert cut.units <= table.single
    else:
        assert cut.units > table.single
        room = [table.concatenated - table.reserved] + [table.concatenated] * (len(cut.parts) - 1)
        assert all(0 < length(part, cut.encoding) <= most for part, most in zip(cut.parts, room, strict=True))


@given(st.one_of(alphabets.gsm, alphabets.vietnamese))
def test_no_part_could_take_the_next_character_too(text: str) -> None:
    cut = split(text)
    if len(cut.parts) > 1:
        most = STANDARD.of(cut.encoding).concatenated
        for part, following in zip(cut.parts, cut.parts[1:], strict=False):
            assert length(part + following[0], cut.encoding) > most


@pytest.mark.parametrize("sizes", [(0, 153, 0), (160, 1, 0), (160, 153, 152), (160, 153, -1)])
def test_a_table_without_room_for_a_character_is_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="leaves no room"):
        Table(*sizes)


def test_a_table_may_have_room_for_a_single_character() -> None:
    assert split("ab", Tables(gsm7=Table(1, 2))).parts == ("ab",)


def test_a_preview_multiplies_parts_by_subscribers() -> None:
    accented = preview(WARNING, 1_100_000, 80, Decimal("350"))
    plain = preview(unaccent(WARNING), 1_100_000, 80, Decimal("350"))
    assert (accented.encoding, accented.segments, accented.total_segments) == (Encoding.UCS2, 4, 4_400_000)
    assert (plain.encoding, plain.segments, plain.total_segments) == (Encoding.GSM7, 2, 2_200_000)
    assert accented.duration_s == 55_000
    assert plain.cost == Decimal("770000000")
    assert accented.parts == split(WARNING).parts


def test_a_preview_without_price_has_no_cost() -> None:
    assert preview("a", 0, 10).cost is None
    assert preview("a", 0, 10).duration_s == 0
    assert preview("a", 10, 0.5).duration_s == 20


@pytest.mark.parametrize(("subscribers", "rate"), [(10, 0), (10, -1), (-1, 10)])
def test_a_preview_of_nonsense_is_refused(subscribers: int, rate: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        preview("a", subscribers, rate)

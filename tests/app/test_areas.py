"""Areas of three periods, codes robbed of their zeros, names that are or are not enough."""

from __future__ import annotations

from datetime import date

import pytest

from app.areas import current, find, fold, normalise_area

LETTER, BETWEEN, NOW = date(2024, 1, 29), date(2025, 3, 1), date(2026, 1, 1)


@pytest.mark.parametrize(("on", "communes"), [(LETTER, 204), (BETWEEN, 200), (NOW, 75)])
def test_each_period_has_its_number_of_communes(on: date, communes: int) -> None:
    found = current(on)
    assert len(found) == communes
    assert len({area.code for area in found}) == communes
    assert all(len(area.code) == 5 for area in found)


def test_a_code_has_changed_its_name_with_time() -> None:
    names = [find("03646", on) for on in (LETTER, BETWEEN, NOW)]
    assert [area.name if area else None for area in names] == [
        "Phường Chiềng Lề",
        "Phường Chiềng Lề",
        "Phường Tô Hiệu",
    ]


@pytest.mark.parametrize(
    ("code", "on", "there"),
    [
        ("116", date(2025, 6, 30), True),
        ("116", date(2025, 7, 1), False),
        ("03751", date(2025, 1, 31), True),
        ("03751", date(2025, 2, 1), False),
        ("03980", LETTER, False),
        ("03980", BETWEEN, True),
        ("99999", NOW, False),
    ],
)
def test_an_area_is_there_only_in_its_time(code: str, on: date, there: bool) -> None:
    assert (find(code, on) is not None) is there


def test_a_commune_knows_its_district_while_there_are_any() -> None:
    old, new = find("03646", LETTER), find("03646", NOW)
    assert old is not None
    assert new is not None
    assert (old.district, new.district) == ("116", None)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("03646", "03646"),
        ("3646", "03646"),
        ("3646.0", "03646"),
        (" 03646 ", "03646"),
        ("'03646", "03646"),
        ("116", "116"),
        ("03751", "03751"),
        ("Huyện Mường La", "120"),
        ("XÃ CHIỀNG SƠN", "03985"),
        ("xa chieng son", "03985"),
        ("Mường La", None),
        ("Phường Tô Hiệu", None),
        ("99999", None),
        ("364", None),
        ("đâu đó", None),
        ("", None),
        ("٣٦٤٦", None),
    ],
)
def test_an_area_is_found_by_code_or_by_a_name_that_means_one_code(raw: str, code: str | None) -> None:
    assert normalise_area(raw) == code


def test_names_are_compared_without_diacritics_case_and_signs() -> None:
    assert fold("Số Điện-thoại (Đ/c)") == "sodienthoaidc"

"""Areas of three periods, codes robbed of their zeros, names that are or are not enough."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from importlib.resources import files

import pytest

from app.core import areas
from app.core.areas import current, find, fold, normalise_area

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


# ---- the data themselves --------------------------------------------------------------------------------


def table(name: str) -> list[dict[str, str]]:
    text = (files("app") / "data" / "areas" / name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


OLD, MAP = table("sonla_2024_204.csv"), table("sonla_map_200_to_75.csv")


def test_the_letters_time_has_12_districts_and_204_communes() -> None:
    assert len(OLD) == len({row["commune_code"] for row in OLD}) == 204
    assert len(areas.districts(LETTER)) == len({row["district_code"] for row in OLD}) == 12
    assert areas.districts(NOW) == []
    kinds = Counter(fold(row["commune"].split()[0]) for row in OLD)
    assert kinds == {"xa": 188, "thi": 9, "phuong": 7}


def test_200_communes_became_75_without_a_split() -> None:
    assert len(MAP) == len({row["old_commune_code"] for row in MAP}) == 200
    assert len({row["new_commune_code"] for row in MAP}) == 75
    assert len({(row["new_commune_code"], row["new_commune"]) for row in MAP}) == 75


def test_every_code_is_text_of_its_length() -> None:
    for row in [*OLD, *MAP]:
        for column, code in row.items():
            if column.endswith("_code"):
                assert code.isdigit(), row
                assert len(code) == (3 if "district" in column else 5), row


def test_the_same_codes_are_old_and_new_but_for_the_ten_that_changed() -> None:
    before, after = {row["commune_code"] for row in OLD}, {row["old_commune_code"] for row in MAP}
    assert before - after == {"03751", "03898", "03913", "03988", "03991", "04003", "04060"}
    assert after - before == {"03980", "03983", "03984"}


DISTRICTS = ("116", "118", "119", "120", "121", "122", "123", "124", "125", "126", "127", "128")


@pytest.mark.parametrize(
    ("code", "on", "row"),
    [
        ("03646", LETTER, "116"),
        ("116", LETTER, "116"),
        ("03985", BETWEEN, "123"),
        ("03980", LETTER, "123"),  # born in 2025, in a list of 2024: its district is known
        ("03646", NOW, "03646"),
        ("03649", NOW, "03646"),  # an old code in a list of today
        ("116", NOW, None),
        ("03751", NOW, None),  # gone before the map begins
        ("99999", LETTER, None),
    ],
)
def test_an_area_has_its_row_in_the_report_of_the_day(code: str, on: date, row: str | None) -> None:
    assert areas.place(code, on) == row


def test_an_area_keeps_a_name_when_its_time_is_over() -> None:
    assert areas.name("116", NOW) == "Thành phố Sơn La"
    assert areas.name("03646", NOW) == "Phường Tô Hiệu"
    assert areas.name("99999", NOW) == "99999"

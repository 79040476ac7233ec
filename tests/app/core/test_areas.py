"""Areas of three periods, codes robbed of their zeros, names that are or are not enough."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from app.core import areas
from app.core.areas import current, find, fold, normalise_area
from app.core.config import Settings
from app.file_import.isolated_reader import read_isolated

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
    text = (files("app") / "data" / "areas" / f"{name}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


PROVINCES = [row["code"] for row in table("provinces")]
MERGED = "2025-07-01"


def rows_of(province: str, **values: str) -> list[dict[str, str]]:
    """The rows of a province's file with these values."""
    return [row for row in table(province) if all(row[name] == value for name, value in values.items())]


def codes(rows: list[dict[str, str]]) -> set[str]:
    return {row["code"] for row in rows if len(row["code"]) == 5}


FIRST = rows_of("14", until="2025-02-01")
OLD, NEW = rows_of("14", since="2025-02-01", until=MERGED), rows_of("14", since=MERGED)


def test_the_letters_time_has_12_districts_and_204_communes() -> None:
    communes = [row for row in FIRST if row["district"]]
    assert len(communes) == len(codes(FIRST)) == 204
    assert len(areas.districts(LETTER)) == len(FIRST) - len(communes) == 12
    assert areas.districts(NOW) == []
    kinds = Counter(fold(row["name"].split()[0]) for row in communes)
    assert kinds == {"xa": 188, "thi": 9, "phuong": 7}


def test_200_communes_became_75_without_a_split() -> None:
    assert len(codes(OLD)) == 200
    assert {row["successor"] for row in OLD if row["district"]} == codes(NEW)
    assert len(codes(NEW)) == 75


def test_the_same_codes_are_old_and_new_but_for_the_ten_that_changed() -> None:
    assert codes(FIRST) - codes(OLD) == {"03751", "03898", "03913", "03988", "03991", "04003", "04060"}
    assert codes(OLD) - codes(FIRST) == {"03980", "03983", "03984"}


def test_the_country_has_34_provinces_with_3321_communes_from_10035_in_696_districts() -> None:
    new = [row for province in PROVINCES for row in rows_of(province, since=MERGED)]
    old = [row for province in PROVINCES for row in rows_of(province, until=MERGED)]
    assert len(PROVINCES) == 34
    assert len(new) == len(codes(new)) == 3321
    assert len(codes(old)) == 10_035
    assert len({row["code"] for row in old if not row["district"]}) == 696


@pytest.mark.parametrize("province", PROVINCES)
def test_every_commune_has_its_district_and_what_it_became(province: str) -> None:
    table_of = table(province)
    old = [row for row in table_of if row["until"] == MERGED and row["district"]]
    new = codes(rows_of(province, since=MERGED))
    districts = {row["code"] for row in table_of if len(row["code"]) == 3}
    assert {row["district"] for row in old} <= districts
    assert all(row["successor"] and set(row["successor"].split()) <= new for row in old)
    islands = [row for row in table_of if not row["district"] and row["successor"]]  # had no communes
    assert {code for row in (*old, *islands) for code in row["successor"].split()} == new
    assert all(row["code"].isdigit() and len(row["code"]) in (3, 5) for row in table_of)


@pytest.fixture
def elsewhere() -> Iterator[None]:
    """A process of another province."""
    Settings(province="92")
    yield
    Settings()


@pytest.mark.usefixtures("elsewhere")
def test_another_province_has_its_own_areas_and_knows_no_others() -> None:
    found = current(NOW)
    assert len(found) == len(rows_of("92", since=MERGED)) == 103
    assert areas.place("03646", NOW) is None
    assert areas.name("31120", NOW) == "Phường Cái Khế"
    assert areas.old_districts("31120", NOW)[0] == "916"
    assert areas.place_name() == "cantho"


@pytest.mark.usefixtures("elsewhere")
def test_an_old_commune_that_was_divided_has_no_row_of_today() -> None:
    divided = next(row for row in table("92") if " " in row["successor"])
    assert areas.place(divided["code"], NOW) in (None, divided["code"])
    assert areas.place(divided["code"], BETWEEN) == divided["district"]


def test_an_unknown_province_is_refused_at_the_start() -> None:
    for wrong in ("02", "son-la", "1"):
        with pytest.raises(ValueError, match="province is a code"):
            Settings(province=wrong)


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


@pytest.mark.usefixtures("elsewhere")
def test_the_process_that_reads_an_upload_knows_the_same_province(tmp_path: Path) -> None:
    packed = tmp_path / "list.csv.gz"
    packed.write_bytes(gzip.compress(b"x"))
    assert list(read_isolated(packed, partial(codes_of, ("31120", "3646")))) == ["31120", None]


def codes_of(cells: tuple[str, ...]) -> Iterator[str | None]:
    yield from map(normalise_area, cells)

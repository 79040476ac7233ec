"""The columns of a file of subscribers beside the numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.batches.row_parser import open_rows


@pytest.mark.parametrize("name", ["Mã xã", "ma_xa", "Area", "commune code", "Mã phường/xã", "Xã", "Mã huyện"])
def test_the_area_column_is_found_and_the_commune_is_preferred(tmp_path: Path, name: str) -> None:
    file = tmp_path / "file.csv"
    file.write_text(f"Huyện,{name},phone\n116,03646,0912345678\n", encoding="utf-8")
    assert list(open_rows(file)) == [(2, "0912345678", "03646", "")]


@pytest.mark.parametrize("name", ["Ngôn ngữ", "Tiếng", "lang", "Language"])
def test_the_language_column_is_found(tmp_path: Path, name: str) -> None:
    file = tmp_path / "file.csv"
    file.write_text(f"{name},phone\nhmn,0912345678\n", encoding="utf-8")
    assert list(open_rows(file)) == [(2, "0912345678", "", "hmn")]


def test_one_column_of_bare_numbers_is_a_file_of_subscribers(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text("0912345678\n", encoding="utf-8")
    assert list(open_rows(file)) == [(1, "0912345678", "", "")]

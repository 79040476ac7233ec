"""Reading the texts of messages/."""

import unicodedata
from pathlib import Path

import pytest

from app.campaigns.texts import all_texts, find, read_texts
from app.core.errors import NotFound, SetupError
from tests.exact import exactly

GOOD = {
    "key": '"mau"',
    "title": '"Mẫu"',
    "purpose": '"tuyen_truyen"',
    "accented": '"""\nCảnh báo."""',
    "unaccented": '"Canh bao."',
    "written_by": '"Người soạn"',
}


def write(folder: Path, *, more: str = "", name: str = "mau.toml", **changes: str) -> Path:
    """A text file of GOOD with changes; an empty change leaves the field out."""
    lines = [f"{key} = {value}" for key, value in (GOOD | changes).items() if value]
    (folder / name).write_text("\n".join([*lines, more]), "utf-8")
    return folder


def test_the_texts_that_came_with_loa_are_found_by_key() -> None:
    assert len(all_texts()) >= 8
    assert [text.key for text in all_texts()] == sorted(text.key for text in all_texts())
    for text in all_texts():
        assert find(text.key) is text


def test_a_key_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(
        NotFound,
        match=exactly(
            'Text "khong-co" does not exist in messages/. Available texts: chuan-hoa-thue-bao, '
            "dat-coc-mua-tet, gia-danh-cong-an, goi-video-gia, lay-lai-tien, nang-cap-tai-khoan, "
            "nguoi-than-gap-nan, tin-nhan-gia-ten, viec-nhe-luong-cao, vneid-gia."
        ),
    ) as refusal:
        find("khong-co")
    assert refusal.value.field == "text_key"


def test_a_file_becomes_a_text_with_defaults(tmp_path: Path) -> None:
    (text,) = read_texts(write(tmp_path))
    assert (text.key, text.accented, text.unaccented) == ("mau", "Cảnh báo.", "Canh bao.")
    assert (text.notes, text.reworded) == ("", "")


def test_words_are_kept_in_normal_form(tmp_path: Path) -> None:
    (text,) = read_texts(write(tmp_path, accented=unicodedata.normalize("NFD", '"Cảnh báo"')))
    assert text.accented == "Cảnh báo"


def test_other_files_of_the_folder_are_no_texts(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Texts", "utf-8")
    assert read_texts(tmp_path) == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"title": ""}, r"messages/mau\.toml: title is required, as a quoted string"),
        ({"accented": '" "'}, r"messages/mau\.toml: accented is required, as a quoted string"),
        ({"unaccented": "5"}, r"messages/mau\.toml: unaccented is required, as a quoted string"),
        ({"notes": "5"}, r"messages/mau\.toml: notes is required, as a quoted string"),
        ({"colour": '"red"'}, r"messages/mau\.toml: unknown field colour"),
        ({"purpose": '"quang_cao"'}, "purpose must be tuyen_truyen or canh_bao_khan, not quang_cao"),
        ({"key": '"khac"'}, "key must be the file name"),
        ({"key": '"Mau"', "name": "Mau.toml"}, "key must be the file name"),
        ({"more": "title"}, r"messages/mau\.toml is not valid TOML in UTF-8: Expected '=' after a"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name_and_field(
    tmp_path: Path, changes: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SetupError, match=sentence) as refusal:
        read_texts(write(tmp_path, **changes))
    assert refusal.value.detail.startswith(f"messages/{changes.get('name', 'mau.toml')}")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mau.toml").write_bytes('title = "Mẫu"'.encode("utf-16"))
    with pytest.raises(
        SetupError,
        match=exactly(
            "messages/mau.toml is not valid TOML in UTF-8: 'utf-8' codec can't decode byte 0xff "
            "in position 0: invalid start byte."
        ),
    ):
        read_texts(tmp_path)

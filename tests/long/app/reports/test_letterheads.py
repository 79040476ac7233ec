"""Names and addressees on papers are data with dates: a campaign of 2024 prints as in 2024."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from app.core.errors import SetupError
from app.reports.figures.version import PREVIEW
from app.reports.forms import letterhead
from app.reports.forms.letterhead import POLICE
from app.reports.papers import exchange_files
from app.reports.papers.model import PaperDocument

OWN = """
[[letterhead]]
carrier = "vnpt"
superior = "Tập đoàn"
agency = "Đơn vị cũ"
name = "Đơn vị cũ"
symbol = "BC-CU"
place = "Sơn La"
to = "Công an tỉnh"
recipients = ["Như trên"]
post = "Giám đốc"

[[letterhead]]
carrier = "vnpt"
since = 2025-07-01
agency = "Đơn vị mới"
"""


def loaded(tmp_path: Path, text: str) -> letterhead.Letterheads:
    file = tmp_path / "letterheads.toml"
    file.write_text(text, "utf-8")
    return letterhead.load(file)


def test_a_paper_bears_what_was_valid_on_its_day() -> None:
    heads = letterhead.load(None)
    assert heads.of("vnpt", date(2024, 1, 29)).bases == ("Luật Viễn thông năm 2009",)
    assert heads.of("vnpt", date(2024, 7, 1)).bases == ("Luật Viễn thông số 24/2023/QH15",)
    assert "306/KH-UBND" in heads.of(POLICE, date(2024, 1, 29)).bases[1]
    assert heads.of(POLICE, date(2025, 3, 1)).bases == ()


def test_a_later_entry_says_only_what_changes(tmp_path: Path) -> None:
    heads = loaded(tmp_path, OWN)
    before, after = (heads.of("vnpt", day) for day in (date(2025, 6, 30), date(2025, 7, 1)))
    assert (before.agency, after.agency) == ("Đơn vị cũ", "Đơn vị mới")
    assert (before.symbol, before.recipients) == (after.symbol, after.recipients)


def test_a_file_of_ones_own_stands_before_ours_for_its_carriers_alone(tmp_path: Path) -> None:
    heads = loaded(tmp_path, OWN)
    assert heads.of("viettel", date(2024, 1, 1)).agency == "Viettel Sơn La"


def test_an_organisation_that_nobody_knows_gets_dots_to_fill_in() -> None:
    head = letterhead.load(None).of("fpt", date(2024, 1, 1))
    assert head.agency == "FPT"
    assert set(head.superior) == {"…"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[letterhead]\n", "The letterheads in"),
        ("[[letterhead]]\n", "The letterhead in entry 1 of"),
        ('[[letterhead]]\ncarrier = "x"\n', "The letterhead in entry 1 of"),
        (OWN + '[[letterhead]]\ncarrier = "vnpt"\nagancy = "x"\n', "The letterhead in entry 3 of"),
        (OWN.replace('["Như trên"]', '"Như trên"'), "recipients must be a list of texts"),
        (OWN.replace("2025-07-01", '"2025-07-01"'), "since must be a date"),
        (OWN.replace('"BC-CU"', "5"), "symbol must be a text"),
    ],
)
def test_a_wrong_file_is_refused_with_its_entry(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SetupError, match=said):
        loaded(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="Cannot read the letterheads in"):
        letterhead.load(tmp_path / "none.toml")


def test_the_document_systems_fields_keep_their_lengths() -> None:
    head = letterhead.load(None).of("vnpt", date(2024, 1, 29))
    paper = PaperDocument("T" * 900, "x", "DỰ THẢO", 0, ())
    fields = json.loads(
        exchange_files.metadata(paper, head, PREVIEW, b"/Type /Pages /Type /Page\n/Type /Page ")
    )
    assert (len(fields["Subject"]), fields["PageAmount"], fields["TypeName"]) == (500, 2, "Báo cáo")
    assert (fields["CodeNotation"], fields["CodeNumber"], fields["IssuedDate"]) == ("BC-VNPT-SLA", "", "")
    assert fields["To"][0]["OrganName"] == "Công an tỉnh Sơn La (qua Phòng PA05)"

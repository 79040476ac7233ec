"""How an approved text is read aloud."""

from __future__ import annotations

import string

import pytest

from app.directives.publication.read_aloud import aloud

# Printable, and what may stand in a web address by RFC 3986 or is written there all the same.
SIGNS = [each for each in string.punctuation if each not in ',;()"']


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("address", ["bocongan.gov.vn/canh-bao{}", "bocongan.gov.vn/a{}b", "a.vn/{}{}"])
def test_every_address_is_read(sign: str, address: str) -> None:
    said = aloud(f"Hay xem {address.replace('{}', sign)} truoc")
    assert said.startswith("Hay xem ")
    assert said.endswith(" truoc")
    assert " chấm " in said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "Xem bocongan.gov.vn/canh-bao! Goi 113.",
            "Xem bocongan chấm gov chấm vê nờ gạch chéo canh gạch ngang bao! Goi một một ba.",
        ),
        ("ngay 1/2/2026", "ngay một tháng hai năm hai nghìn không trăm hai mươi sáu"),
        ("Ngay 02/9", "Ngay hai tháng chín"),
        ("dip 02/9", "dip ngày hai tháng chín"),
        ("tu 9/02", "tu ngày chín tháng hai"),
        ("1/2 so tien", "một trên hai so tien"),
        ("%s", "phần trăm s"),
        ("giam 50%, con 5 %.", "giam năm mươi phần trăm, con năm phần trăm."),
    ],
)
def test_days_and_shares_are_read_as_people_do(written: str, said: str) -> None:
    assert aloud(written) == said

"""Times and days are typed and shown as pages print them, whatever language the browser has."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

import pytest

from app.core import clock
from app.core.errors import Invalid
from app.database.connection import Database
from app.web import rendering
from app.web.forms import read_fields
from app.web.rendering import FormData
from tests.app.campaigns.rows import new_campaign
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


@pytest.mark.parametrize(
    "said", ["08:05 02/03/2026", "02/03/2026 08:05", "8h05 2-3-2026", "8:05 02.03.2026", "2026-03-02T08:05"]
)
def test_a_moment_is_read_in_the_spellings_of_the_office(said: str) -> None:
    found = read_fields.moment(FormData({"at": [said]}), "at")
    assert found == datetime(2026, 3, 2, 8, 5, tzinfo=clock.VIETNAM)


@pytest.mark.parametrize(
    "said", ["02/03/2026", "08:05", "32/03/2026 08:05", "08:05 13/13/2026", "08:05 1/1/26"]
)
def test_what_is_no_moment_is_refused_with_an_example(said: str) -> None:
    with pytest.raises(Invalid, match="08:00 05/02/2024"):
        read_fields.moment(FormData({"at": [said]}), "at")


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("2026-03-02", "02/03/2026"),
        ("2026-03-02T08:05", "08:05 02/03/2026"),
        ("08:05 02/03/2026", "08:05 02/03/2026"),
        ("nonsense", "nonsense"),
        ("", ""),
    ],
)
def test_a_field_shows_what_is_kept_as_it_is_typed(stored: str, typed: str) -> None:
    assert rendering.typed(stored) == typed
    assert read_fields.iso_moment(read_fields.iso_day(typed)) in (stored, "2026-03-02T08:05")


def test_no_page_has_a_field_that_follows_the_browsers_language(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_campaign)
    paper = signed_in()
    for path in ("/compose", "/campaigns/1/edit", "/directives/new", "/keys", "/audit"):
        assert not re.findall('type="(?:date|datetime-local)"', paper.get(path).text), path


def test_a_directive_is_entered_as_it_is_written_on_its_paper(signed_in: In) -> None:
    paper = signed_in()
    letter = {
        "number": "303/CAT-PA05",
        "issuer": "Công an tỉnh",
        "subject": "Tuyên truyền",
        "addressees": "Sở Tư pháp",
    }
    dates = {"issued_on": "05/11/2026", "report_deadline": "17:00 30/12/2026"}
    refused = paper.send(
        "/directives/new", "/directives/new", **letter, **dates | {"issued_on": "35/11/2026"}
    )
    assert refused.status_code == 422
    assert 'value="35/11/2026"' in refused.text
    assert 'value="17:00 30/12/2026"' in refused.text
    made = paper.send("/directives/new", "/directives/new", **letter, **dates)
    assert made.status_code == 303
    page = text(paper.get(made.headers["location"]).text)
    assert "05/11/2026" in page
    assert "17:00 30/12" in page

"""A letter is kept as it stands, or refused in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from app.campaigns import directives
from app.campaigns.directives import DirectiveFields
from app.core.clock import VIETNAM
from app.core.errors import Invalid, NotFound
from app.database.connection import Database

LETTER = DirectiveFields("303/CAT-PA05", date(2024, 1, 29), "Công an tỉnh", "Tuyên truyền")


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"number": " "}, "number", "needs its number"),
        ({"issuer": ""}, "issuer", "needs its issuer"),
        ({"subject": ""}, "subject", "needs its subject"),
        ({"report_deadline": datetime(2024, 2, 24)}, "report_deadline", "needs its time zone"),  # noqa: DTZ001
        (
            {"report_deadline": datetime(2024, 1, 28, tzinfo=VIETNAM)},
            "report_deadline",
            "lies before 2024-01-29",
        ),
    ],
)
def test_a_wrong_letter_is_refused(db: Database, change: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        db.write(directives.create, replace(LETTER, **change), "author")
    assert caught.value.field == field
    assert db.read(directives.page, 0, 10) == []


def test_a_letter_without_a_deadline_is_kept(db: Database) -> None:
    directive_id = db.write(directives.create, LETTER, "author")
    found = db.read(directives.get, directive_id)
    assert (found.number, found.issued_on, found.report_deadline) == ("303/CAT-PA05", LETTER.issued_on, None)
    with pytest.raises(NotFound, match="no directive 99"):
        db.read(directives.get, 99)

"""A letter is kept as it stands, or refused in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from app.campaigns import directives
from app.campaigns.directives import DirectiveFields
from app.core.clock import VIETNAM
from app.core.errors import Conflict, Invalid, NotFound
from app.database.connection import Database

LETTER = DirectiveFields("303/CAT-PA05", date(2024, 1, 29), "Công an tỉnh", "Tuyên truyền")


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"number": " "}, "number", "The directive's number is required"),
        ({"issuer": ""}, "issuer", "The directive's issuer is required"),
        ({"subject": ""}, "subject", "The directive's subject is required"),
        (
            {"report_deadline": datetime(2024, 2, 24)},  # noqa: DTZ001
            "report_deadline",
            "report_deadline needs a time zone, for example",
        ),
        (
            {"report_deadline": datetime(2024, 1, 28, tzinfo=VIETNAM)},
            "report_deadline",
            "The report deadline is before the date of the directive, 2024-01-29",
        ),
    ],
)
def test_a_wrong_letter_is_refused(db: Database, change: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        db.write(directives.create, replace(LETTER, **change), "author")
    assert caught.value.field == field
    assert db.read(directives.listed, 0, 10).items == []


def test_a_letter_without_a_deadline_is_kept(db: Database) -> None:
    directive_id = db.write(directives.create, LETTER, "author")
    found = db.read(directives.get, directive_id)
    assert (found.number, found.issued_on, found.report_deadline) == ("303/CAT-PA05", LETTER.issued_on, None)
    with pytest.raises(NotFound, match="no directive 99"):
        db.read(directives.get, 99)


def test_a_deadline_is_put_off_and_the_one_before_is_kept_with_the_reason(db: Database) -> None:
    first, then = (datetime(2031, 2, day, 17, tzinfo=VIETNAM) for day in (24, 28))
    directive_id = db.write(directives.create, replace(LETTER, report_deadline=first), "author")
    db.write(directives.put_off, directive_id, then, "By letter 311", "lan")
    db.write(directives.put_off, directive_id, None, "By letter 312", "mai")
    found = db.read(directives.get, directive_id)
    assert [(each.before, each.after, each.reason, each.by) for each in found.deadline_changes] == [
        (first, then, "By letter 311", "lan"),
        (then, None, "By letter 312", "mai"),
    ]
    assert found.report_deadline is None
    assert db.read(directives.listed, 0, 10).items == [found]


@pytest.mark.parametrize(
    ("deadline", "reason", "words"),
    [
        (
            datetime(2024, 1, 28, tzinfo=VIETNAM),
            "x",
            "The report deadline is before the date of the directive, 2024-01-29",
        ),
        (datetime(2031, 2, 24, 17, tzinfo=VIETNAM), "x", "The directive already has this deadline"),
        (datetime(2031, 2, 28, 17, tzinfo=VIETNAM), " ", "Enter a reason for the new deadline"),
    ],
)
def test_a_change_that_is_none_or_has_no_reason_is_refused(
    db: Database, deadline: datetime, reason: str, words: str
) -> None:
    letter = replace(LETTER, report_deadline=datetime(2031, 2, 24, 17, tzinfo=VIETNAM))
    directive_id = db.write(directives.create, letter, "author")
    with pytest.raises((Conflict, Invalid), match=words):
        db.write(directives.put_off, directive_id, deadline, reason, "lan")
    assert db.read(directives.get, directive_id).deadline_changes == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"subject": "\u200b\u2800"}, "The directive's subject is required"),
        ({"issuer": "……"}, "The directive's issuer is required"),
        ({"number": "\u3164"}, "The directive's number is required"),
    ],
)
def test_what_shows_nothing_is_refused_with_its_field(
    db: Database, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(Invalid, match=words) as refused:
        db.write(directives.create, replace(LETTER, **changes), "author")
    assert refused.value.field == next(iter(changes))
    assert db.read(directives.listed, 0, 10).items == []

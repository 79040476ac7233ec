"""What is typed wrongly is named as it was typed: an argument by its name, an option with its dashes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from typer import Typer

from app.cli import directive_commands, privacy_commands, statement_commands
from app.cli.output import listing
from app.core.errors import Invalid
from app.inbound.reply_kinds import ReplyKind
from tests.app.cli.test_campaign_commands import Shell

REQUEST = ("request", "0912345678", "--kind", "see", "--reference", "x")


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    return Shell(database_url, tmp_path)


@pytest.mark.parametrize(
    ("app", "words", "said"),
    [
        (
            directive_commands.app,
            ("deadline", "1", "yesterday", "--reason", "x"),
            "UNTIL must be a date and time with a time zone, for example",
        ),
        (
            privacy_commands.app,
            (*REQUEST, "--came", "2026-13-99"),
            "--came must be a date, for example 2024-01-29",
        ),
        (privacy_commands.app, (*REQUEST, "--came", ""), "--came must be a date, for example 2024-01-29"),
        (
            statement_commands.app,
            ("add", "1", __file__),
            r"test_named_inputs\.py is not valid JSON",
        ),
    ],
)
def test_a_wrong_input_is_named_with_its_remedy(
    shell: Shell, app: Typer, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        shell(app, *words)


@dataclass(frozen=True)
class Row:
    left_out: dict[ReplyKind, int]


@dataclass(frozen=True)
class Moment:
    at: datetime


def test_a_table_has_the_times_of_the_clock_on_the_wall(capsys: pytest.CaptureFixture[str]) -> None:
    late = datetime(2024, 1, 29, 20, 5, tzinfo=UTC)
    listing([Moment(late), Moment(late.astimezone(timezone(timedelta(hours=9))))], ("at",), False)
    shown = capsys.readouterr().out.splitlines()
    assert shown == ["AT", *["2024-01-30 03:05+07:00"] * 2]


def test_counts_by_reason_are_listed_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    listing([Row({ReplyKind.REPORT: 2, ReplyKind.OTHER: 1}), Row({})], ("left_out",), False)
    assert capsys.readouterr().out.splitlines() == ["LEFT_OUT", "report 2, other 1", "-"]

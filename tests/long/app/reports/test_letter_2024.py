"""The directive of 2024 from letter to consolidated report: kinds of figures, who was late, five formats."""

from __future__ import annotations

import json

import pytest

from app.core import clock
from app.database import models as m
from app.database.connection import Database
from app.directives.status import status
from app.ledger.ledger import ledger_for
from app.reports.counting import consolidated
from app.reports.figures import carrier_statement
from app.reports.figures.addressees import OutreachChannel
from app.reports.figures.carrier_statement import FigureSource
from app.reports.figures.version import PREVIEW
from app.reports.forms import letterhead
from app.reports.frozen import archive
from app.reports.frozen.archive import Frozen, ReportSubject, SubjectKind
from app.reports.papers import consolidated_paper
from app.reports.papers.model import Paragraph
from app.reports.release.freeze import Freezer
from app.web.view_models import norm
from tests.long.app.reports.kept import freeze_at
from tests.long.app.reports.letter_2024 import AFTER, DEADLINE, NAMES, at
from tests.long.app.reports.reading import words
from tests.long.app.reports.scene import Scene

DIRECTIVE = ReportSubject(SubjectKind.DIRECTIVE, 1)


def test_the_three_carriers_stand_each_with_its_kind_of_figures(replayed: Database) -> None:
    report = replayed.read(consolidated.build, 1, AFTER)
    assert [(line.carrier, line.kind) for line in report.lines] == [
        ("vnpt", FigureSource.MEASURED),
        ("viettel", FigureSource.STATED),
        ("mobifone", FigureSource.MANUAL),
    ]
    general = report.lines[0].report.general
    assert (general.eligible, general.sent, general.delivered, general.failed) == (51, 50, 46, 3)
    viettel, mobifone = report.lines[1].statement, report.lines[2].statement
    assert viettel is not None
    assert mobifone is not None
    assert (viettel.figures.general.sent, viettel.figures.general.received) == (648_000, 601_234)
    assert (mobifone.figures.general.sent, mobifone.figures.general.received) == (119_000, None)
    assert mobifone.paper.attachment is not None
    assert [line.late(DEADLINE, AFTER) for line in report.lines] == [False, False, False]


def test_each_kind_is_summed_for_itself(replayed: Database) -> None:
    report = replayed.read(consolidated.build, 1, AFTER)
    total = carrier_statement.add(line.statement.figures.general for line in report.lines if line.statement)
    assert (total.sent, total.received) == (767_000, None)  # what one of them lacks, the sum lacks
    assert [len(report.of(kind)) for kind in FigureSource] == [1, 1, 1]


def test_the_other_addressees_are_there_late_or_missing(replayed: Database) -> None:
    report = replayed.read(consolidated.build, 1, AFTER)
    late = {each.addressee.name for each in report.others if each.late}
    missing = {each.addressee.name for each in report.others if each.report is None}
    assert (late, missing) == ({NAMES[2], NAMES[6]}, {NAMES[2]})
    channels = {each.channel: (each.pieces, each.reach, each.minutes) for each in report.channels}
    assert channels[OutreachChannel.LOUDSPEAKER] == (310, 96_500, 1_240)
    assert channels[OutreachChannel.TELEVISION] == (6, None, 90)


def test_a_carrier_that_was_asked_and_never_sent_is_named(replayed: Database, db: Database) -> None:
    assert replayed.read(consolidated.build, 1, AFTER).silent == ()
    scene = Scene()
    scene.rows[m.directives][0]["addressees"] = ["VNPT Sơn La", "Viettel Sơn La"]
    scene.save(db)
    report = db.read(consolidated.build, 1, clock.now_ms())
    assert report.silent == ("Viettel Sơn La",)
    head = letterhead.load(None).of(letterhead.POLICE, report.letter.issued_on)
    paper = consolidated_paper.compose(report, head, PREVIEW)
    texts = [
        block.text for section in paper.sections for block in section.blocks if isinstance(block, Paragraph)
    ]
    assert "Viettel Sơn La (chưa có đợt gửi)." in texts


def test_at_the_deadline_the_late_one_is_still_missing(replayed: Database) -> None:
    report = replayed.read(consolidated.build, 1, DEADLINE)
    missing = {each.addressee.name for each in report.others if each.report is None}
    assert missing == {NAMES[2], NAMES[6]}


def test_the_status_told_it_day_by_day(replayed: Database) -> None:
    def told(ms: int) -> tuple[str, set[str]]:
        found = replayed.read(status, 1, clock.from_ms(ms))
        return found.countdown, {each.who for each in found.missing}

    assert told(at(21)) == ("còn 3 ngày", {NAMES[2]})
    assert told(AFTER) == ("đã quá hạn 3 ngày", {NAMES[2]})


def test_the_measured_areas_are_the_districts_of_then(replayed: Database) -> None:
    rows = replayed.read(norm.areas_of, 1)
    names = [row.name for row in rows]
    assert (names[0], names[-1], len(rows)) == ("Thành phố Sơn La", "Không xác định địa bàn", 13)
    viettel = [row.stated for row in rows]
    assert viettel[0] is not None
    assert (viettel[0].sent, viettel[0].received) == (54_000, 51_234)


# ---- frozen, in five formats ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def papers(replayed: Database) -> list[Frozen]:
    """Version 1 at the deadline, version 2 three days later."""
    freezer = Freezer(replayed, ledger_for(replayed), letterhead.load(None), "officer")
    return [freeze_at(freezer, DIRECTIVE, cutoff)[0] for cutoff in (DEADLINE, AFTER)]


@pytest.mark.parametrize("form", ["docx", "pdf", "xlsx", "csv", "json"])
def test_every_format_has_the_carriers_and_the_others(
    replayed: Database, papers: list[Frozen], form: str
) -> None:
    _, content = replayed.read(archive.content, papers[1], form)
    said = words(form, content)
    points = form in ("docx", "pdf")
    numbers = (648_000, 601_234, 1_296_000, 119_000, 238_000, 96_500)
    for n in numbers:
        assert (f"{n:,}".replace(",", ".") if points else str(n)) in said, n
    joined = said.replace(" ", "")  # narrow columns break words
    for name in (*NAMES[:7], "303/CAT-PA05", "125/BC-VTSL", "41/BC-MBF-SLA"):
        assert name.replace(" ", "") in joined, name


def test_the_kinds_of_figures_are_named_in_the_papers(replayed: Database, papers: list[Frozen]) -> None:
    for form in ("docx", "pdf", "xlsx"):
        said = words(form, replayed.read(archive.content, papers[1], form)[1])
        for kind in FigureSource:
            assert carrier_statement.KINDS[kind].split(" (")[0] in said, (form, kind)


def test_the_second_version_says_what_came_late(replayed: Database, papers: list[Frozen]) -> None:
    first, second = papers
    assert (first.version, second.version) == (1, 2)
    assert first.changes == ()
    assert second.changes
    old, new = (json.loads(replayed.read(archive.figures, each)) for each in papers)
    assert old != new
    assert NAMES[6] in json.dumps([str(each) for each in second.changes], ensure_ascii=False)

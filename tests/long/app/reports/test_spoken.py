"""Calls that play a recording: told as calls in every format, and added to no message."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from app.core import clock
from app.core.errors import Invalid
from app.core.states import DeliveryState
from app.database import models as m
from app.database.connection import Database
from app.ledger.factory import ledger_for
from app.privacy.erasable import RetentionTerms
from app.privacy.eraser import Eraser
from app.reports.build import comparison, consolidated, unique_reach
from app.reports.build.stated_report import StatedReport
from app.reports.export.formats import Format, document, render
from app.reports.figures.document_meta import EntrySource
from app.reports.forms import comparison_tables, letterhead, spoken_tables
from app.reports.frozen import printed_code
from app.reports.frozen.archive import SubjectKind
from app.reports.intake import statement_service, workbook_writer
from app.reports.intake.schemas import StatementBody
from app.reports.release import freeze
from app.reports.verification.verify import recordings_kept, verify
from app.text_verification.sent_texts import read_sent
from tests.engines import each_engine, on_sqlite, other_by_hand
from tests.long.app.reports.intake.scene import body
from tests.long.app.reports.reading import words
from tests.long.app.reports.scene import DAY, T0, Scene
from tests.sounds import wav

database_url = each_engine

VOICE = wav(3, value=5)
SPOKEN_WORDS = "Công an không gọi điện yêu cầu chuyển tiền."
CALLS = {"eligible": 1000, "sent": 970, "received": 900, "failed": 50}
CALLS |= {"causes": {"repeated": 10, "wrong_number": 20}}
SENT = 3  # messages of the run that Loa sends


def called(db: Database, *, texted: bool = True) -> None:
    """Campaign 1: run 2 at viettel calls; run 1 at vnpt sends three messages, if `texted`."""
    scene = Scene("finished")
    scene.run(2, "viettel", "sent", started_at=T0, ended_at=T0 + DAY)
    audience = {"areas": ["116", "125"], "area_basis": "dia_chi_dang_ky", "estimated": 1000}
    scene.add(m.audiences, run_id=2, **audience, spoken=True)
    voice = {"campaign_id": 1, "language": "vi", "areas": [], "wording": SPOKEN_WORDS, "duration_ms": 3000}
    voice |= {"sha256": hashlib.sha256(VOICE).hexdigest(), "media_type": "audio/wav", "size": len(VOICE)}
    scene.add(m.recordings, **voice, content=VOICE, created_at=T0, created_by="an")
    scene.rows[m.runs][0]["ended_at"] = T0 + DAY
    if texted:
        for _ in range(SENT):
            scene.message(DeliveryState.DELIVERED)
    else:
        scene.rows[m.runs].pop(0)
        scene.run_of.clear()
    scene.save(db)


def told(db: Database, **changes: Any) -> None:
    said = body(general=CALLS) | changes
    claim = StatementBody.model_validate(said).claim(EntrySource.API)
    db.write(statement_service.state, 2, claim, "desk")


def now() -> int:
    return clock.now_ms()


@pytest.mark.parametrize("form", ["docx", "pdf", "xlsx", "csv", "json"])
@on_sqlite
def test_every_format_of_the_runs_report_tells_calls_and_never_messages(db: Database, form: str) -> None:
    called(db)
    told(db)
    report = db.read(freeze.of_run, 2, now())
    assert isinstance(report, StatedReport)
    said = words(form, render(report, Format(form), letterhead.load(None)).content)
    joined = said.replace(" ", "")
    for n in ("970", "900", "50", hashlib.sha256(VOICE).hexdigest()[:20]):
        assert n in joined, n
    assert SPOKEN_WORDS.replace(" ", "") in joined
    wrong = ("Đã gửi", "biên nhận", "Bản tin quy đổi", "bản tin quy đổi", "Tên định danh", "sent_messages")
    for each in (*wrong, "Nội dung tin", "đã gửi", "tin nhắn tuyên truyền", "_messages"):
        assert each.replace(" ", "") not in joined, each
    right = ("placed_calls", "answered_calls") if form == "json" else ("Đã gọi", "Có người nghe máy")
    for each in right:
        assert each.replace(" ", "") in joined, each


@on_sqlite
def test_calls_have_neither_sms_parts_nor_receipts_of_a_centre(db: Database) -> None:
    called(db)
    for wrong, field in (
        ({"general": CALLS | {"segments": 1940}}, "segments"),
        ({"level": "operator"}, "level"),
    ):
        with pytest.raises(Invalid) as caught:
            told(db, **wrong)
        assert field in [name for name, _ in caught.value.faults]
    told(db)


@on_sqlite
def test_a_carrier_that_does_not_know_who_answered_says_so(db: Database) -> None:
    called(db)
    general = {"eligible": 1000, "sent": 970, "causes": CALLS["causes"]}
    told(db, level="none", general=general, areas=[], reasons=[], days=[])
    report = db.read(freeze.of_run, 2, now())
    said = words("csv", render(report, Format.CSV, letterhead.load(None)).content)
    assert "không có số liệu" in said
    assert document(report)["general"]["answered_calls"] is None


@on_sqlite
def test_the_form_for_the_carrier_says_what_its_columns_mean_for_calls(db: Database) -> None:
    called(db)
    assert "cuộc gọi" in words("xlsx", workbook_writer.build(db.read(workbook_writer.head, 2)))
    assert "cuộc gọi" not in words("xlsx", workbook_writer.build(db.read(workbook_writer.head, 1)))


# ---- Beside messages


def test_the_consolidated_report_has_calls_under_a_head_of_their_own(db: Database) -> None:
    called(db)
    told(db)
    report = db.read(consolidated.build, 1, now())
    assert [line.run_id for line in report.lines] == [1]
    assert [line.run_id for line in report.announcements] == [2]
    form_5 = comparison_tables.of_directive(report)[0]
    assert {row.cells[form_5.place("sent")] for row in form_5.rows if not row.strong} != {970}
    said = document(report)
    assert [run["run_id"] for run in said["runs"]] == [1]
    assert said["announcements"][0]["calls"] == {
        "eligible_subscribers": 1000,
        "excluded_subscribers": 30,
        "placed_calls": 970,
        "answered_calls": 900,
        "unanswered_calls": 50,
        "calls_of_unknown_outcome": 20,
    }
    calls = spoken_tables.of_directive(report)[0]
    assert "không cộng với số tin" in calls.source
    assert [row.cells[calls.place("sent")] for row in calls.rows] == [970]


@on_sqlite
def test_no_sum_of_messages_changes_by_a_run_that_calls(db: Database) -> None:
    called(db)
    before = _sums(db)
    told(db)
    assert _sums(db) == before


def _sums(db: Database) -> list[Any]:
    """Everything that is printed of messages under the directive, but for who is still to report."""
    report = db.read(consolidated.build, 1, now())
    tables = (*comparison_tables.of_directive(report), *comparison_tables.cost(report))
    reach = db.read(unique_reach.of_directive, 1, now())
    shares = db.read(comparison.carriers, 1).shares
    areas = db.read(comparison.areas_of, 1)
    return [[table.rows for table in tables], reach.persons, reach.by_carrier, shares, areas]


@pytest.mark.parametrize("form", ["docx", "pdf", "xlsx", "csv"])
@on_sqlite
def test_every_format_of_the_consolidated_report_has_the_calls(db: Database, form: str) -> None:
    called(db)
    told(db)
    report = db.read(consolidated.build, 1, now())
    joined = words(form, render(report, Format(form), letterhead.load(None)).content).replace(" ", "")
    for each in ("Có người nghe máy", "không cộng với số tin", "125/BC-VTSL", "970"):
        assert each.replace(" ", "") in joined, each


@on_sqlite
def test_a_directive_under_which_carriers_only_call_has_a_report(db: Database) -> None:
    called(db, texted=False)
    report = db.read(consolidated.build, 1, now())
    assert report.lines == ()
    assert report.interim
    assert "Viettel (thông báo thoại)" in comparison_tables.missing(report)
    told(db)
    again = db.read(consolidated.build, 1, now())
    assert "Viettel (thông báo thoại)" not in comparison_tables.missing(again)
    assert render(again, Format.PDF, letterhead.load(None)).content.startswith(b"%PDF")


@on_sqlite
def test_the_unique_reach_names_who_called_and_counts_nobody_of_them(db: Database) -> None:
    called(db)
    told(db)
    found = db.read(unique_reach.present, 1)
    assert (found.persons, found.calling) == (SENT, ("viettel",))
    report = db.read(consolidated.build, 1, now())
    assert "không biết ai trong số đó đã nhận tin" in comparison_tables.reach(report)[0].source


@on_sqlite
def test_the_totals_behind_a_printed_code_are_told_as_calls(db: Database) -> None:
    called(db)
    told(db)
    found = list(printed_code.totals(SubjectKind.RUN, document(db.read(freeze.of_run, 2, now()))))
    assert [(each.spoken, each.sent, each.delivered, each.failed) for each in found] == [(True, 970, 900, 50)]
    whole = document(db.read(consolidated.build, 1, now()))
    assert [each.sent for each in printed_code.totals(SubjectKind.DIRECTIVE, whole)] == [SENT]


@on_sqlite
def test_a_text_that_was_only_played_is_no_text_that_was_sent(db: Database) -> None:
    called(db, texted=False)
    assert not db.read(read_sent)
    db.write(lambda c: c.execute(update(m.audiences).values(spoken=False)))
    assert len(db.read(read_sent)) == 1


# ---- Recounting and erasing

_SPOILT: dict[str, Callable[[], dict[str, Any]]] = {
    "no longer the file that came": lambda: {"content": wav(3, value=6)},
    "lasts otherwise than is written": lambda: {"duration_ms": 2999},
    "has lost its sound": lambda: {"content": None},
}


@pytest.mark.parametrize("words", _SPOILT)
def test_a_recount_finds_a_recording_that_is_not_what_came(db: Database, words: str) -> None:
    called(db)
    assert db.read(recordings_kept, None) == []
    values = _SPOILT[words]()
    db.write(lambda c: c.execute(update(m.recordings).values(values)))
    found = db.read(recordings_kept, None)
    assert len(found) == 1
    assert words in found[0]
    assert words in "\n".join(each.sentence for each in verify(db, ledger_for(db)))
    assert db.read(recordings_kept, 2) == []


@other_by_hand
@pytest.mark.parametrize("texted", [True, False])
def test_a_voice_is_erased_with_the_campaigns_rows_and_its_hash_stays(db: Database, texted: bool) -> None:
    called(db, texted=texted)
    told(db)
    before = verify(db, ledger_for(db))
    eraser = Eraser(db, ledger_for(db), RetentionTerms(90, 1200))
    asyncio.run(eraser.run(asyncio.Event()))
    rows = db.read(lambda c: c.execute(select(m.recordings.c.content, m.recordings.c.sha256)).all())
    assert [tuple(row) for row in rows] == [(None, hashlib.sha256(VOICE).hexdigest())]
    counted = db.read(lambda c: c.execute(select(m.erasures.c.counts).order_by(m.erasures.c.id)).scalars())
    assert [each["recordings"] for each in counted if "recordings" in each] == [1]
    assert (before, verify(db, ledger_for(db))) == ([], [])
    assert document(db.read(freeze.of_run, 2, now()))["general"]["placed_calls"] == 970


def test_a_voice_is_kept_while_its_run_goes_on(db: Database) -> None:
    called(db, texted=False)
    db.write(lambda c: c.execute(update(m.runs).values(state="running", ended_at=None)))
    eraser = Eraser(db, ledger_for(db), RetentionTerms(90, 1200))
    asyncio.run(eraser.run(asyncio.Event()))
    assert db.read(lambda c: c.execute(select(m.recordings.c.content)).scalar_one()) == VOICE


@on_sqlite
def test_a_frozen_report_of_calls_is_rebuilt_as_it_was(db: Database) -> None:
    called(db)
    told(db)
    cutoff = now()
    first = json.dumps(document(db.read(consolidated.build, 1, cutoff)))
    general = CALLS | {"received": 901, "failed": 49}
    told(db, general=general, areas=[], days=[], reasons=[], reason="Đối soát lại")
    assert json.dumps(document(db.read(consolidated.build, 1, cutoff))) == first
    assert (
        document(db.read(consolidated.build, 1, now()))["announcements"][0]["calls"]["answered_calls"] == 901
    )

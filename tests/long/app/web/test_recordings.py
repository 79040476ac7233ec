"""Recordings on pages: handed in on their own, heard where it is decided, downloaded to be played."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import httpx
import pytest
from sqlalchemy import select, update

from app.campaigns import approval, lifecycle, queries, recordings
from app.campaigns.carrier_audience import Audience
from app.core import clock
from app.core.areas import Basis
from app.database.connection import Database
from app.database.models import frozen_reports, runs, statements
from app.ledger.factory import ledger_for
from app.reports.forms import letterhead
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.release.freeze import Freezer
from app.security import Caller
from tests.app.campaigns.rows import new_campaign
from tests.app.campaigns.test_recordings import HMONG, SPOKEN, WORDS, recorded, spoken_run
from tests.long.app.reports.test_spoken import called, told
from tests.long.app.web.conftest import Paper, text, token
from tests.sounds import wav

In = Callable[..., Paper]
EDIT = "/campaigns/1/edit"
OWN = "/campaigns/1/recordings"
FIELDS = {"language": "vi", "wording": WORDS, "areas": "116 125"}


def handed_in(paper: Paper, content: bytes, **fields: str) -> httpx.Response:
    page = paper.get(OWN).text
    version = re.findall(r'action="/campaigns/1/recordings\?version=(\d+)"', page)[0]
    return posted(paper, version, {"csrf": token(page)} | FIELDS | fields, content)


def posted(paper: Paper, version: str, fields: dict[str, str], content: bytes) -> httpx.Response:
    address, files = f"/campaigns/1/recordings?version={version}", {"file": ("voice.wav", content)}
    kept = paper.client.post(address, data=fields, files=files, headers=paper._headers({}))
    return paper._keep(kept)


def approved(db: Database) -> tuple[int, int]:
    ids = spoken_run(db, recorded(), recorded("hmn", "116", wording=HMONG, sound=wav(3)))
    db.write(lifecycle.submit, ids[0], "author")
    db.write(approval.approve, ids[0], Caller("boss", "admin"))
    return ids


def sounds(page: str) -> list[str]:
    return re.findall(r'<audio [^>]*src="([^"]+)"', page)


def test_a_recording_is_handed_in_heard_and_removed_on_a_page_of_its_own(
    pages_db: Database, signed_in: In
) -> None:
    pages_db.write(new_campaign)
    paper = signed_in("approver")
    content = wav(2, value=9)
    answer = handed_in(paper, content)
    assert (answer.status_code, answer.headers["location"]) == (303, OWN)
    page = paper.get(OWN).text
    assert "Đã thêm bản ghi âm." in text(page)
    for shown in (WORDS, "Thành phố Sơn La"):
        assert shown in text(page)
    assert "1 bản ghi âm cho nhà mạng gọi" in text(paper.get(EDIT).text)
    (place,) = sounds(page)
    heard = paper.get(place)
    assert (heard.status_code, heard.content) == (200, content)
    known = pages_db.read(recordings.of_campaign, 1)[0]
    assert (known.areas, known.created_by) == (("116", "125"), "approver person")
    gone = paper.send(OWN, f"/campaigns/1/recordings/{known.id}/remove")
    assert (gone.status_code, pages_db.read(recordings.of_campaign, 1)) == (303, [])


def test_the_pages_policy_lets_sound_of_this_server_be_heard_and_no_other(signed_in: In) -> None:
    policy = signed_in().get("/campaigns").headers["Content-Security-Policy"]
    assert "media-src 'self';" in policy
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("fields", "content", "field", "words"),
    [
        ({}, b"<html></html>", "file", "Tệp không phải bản ghi âm WAV hoặc MP3"),
        ({}, wav(0.3), "file", "Bản ghi âm dài 0.3 giây"),
        ({"areas": "zzz"}, wav(2), "areas", "Không có địa bàn “zzz”"),
        ({"wording": " "}, wav(2), "wording", ""),
    ],
)
def test_a_refused_recording_says_why_at_its_field_and_keeps_what_was_written(
    pages_db: Database, signed_in: In, fields: dict[str, str], content: bytes, field: str, words: str
) -> None:
    pages_db.write(new_campaign)
    answer = handed_in(signed_in(), content, **fields)
    assert answer.status_code == 422
    assert words in text(answer.text)
    assert re.search(rf'id="d-{field}"><p class="error">', answer.text), field
    if "wording" not in fields:
        assert WORDS in unescape(answer.text)
    assert pages_db.read(recordings.of_campaign, 1) == []


def test_a_page_that_is_older_than_the_campaign_adds_nothing(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_campaign)
    paper = signed_in()
    fields = {"csrf": token(paper.get(OWN).text)} | FIELDS
    pages_db.write(lifecycle.add_held_run, 1, "vnpt", SPOKEN, "another")
    assert posted(paper, "1", fields, wav(2)).status_code == 412
    assert pages_db.read(recordings.of_campaign, 1) == []


def test_nothing_is_taken_without_the_forms_token(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_campaign)
    paper = signed_in()
    paper.get(OWN)
    assert posted(paper, "1", FIELDS, wav(2)).status_code == 403
    assert pages_db.read(recordings.of_campaign, 1) == []


def test_a_run_that_calls_is_added_by_a_tick(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_campaign)
    fields = {"carrier": "vnpt", "estimated": "9.000", "area_basis": "dia_chi_dang_ky", "areas": "116"}
    paper = signed_in()
    assert paper.send(EDIT, "/campaigns/1/held-runs", **fields, spoken="yes").status_code == 303
    found = pages_db.read(queries.run, 1).audience
    assert found == Audience(("116",), Basis.REGISTERED, 9000, spoken=True)
    assert "nhà mạng tự gọi: là cuộc gọi, không phải tin nhắn" in text(paper.get(EDIT).text)


def test_who_decides_hears_each_recording_and_reads_its_words(pages_db: Database, signed_in: In) -> None:
    campaign_id, _ = spoken_run(pages_db, recorded(), recorded("hmn", "116", wording=HMONG, sound=wav(3)))
    pages_db.write(lifecycle.submit, campaign_id, "author")
    paper = signed_in("approver")
    page = paper.get(f"/approvals?campaign={campaign_id}").text
    said = text(page)
    known = pages_db.read(recordings.of_campaign, campaign_id)
    for shown in (WORDS, HMONG, *(each.sha256 for each in known), "cuộc gọi, không phải tin nhắn"):
        assert shown in said
    assert [paper.get(place).status_code for place in sounds(page)] == [200, 200]


def test_what_is_otherwise_than_at_the_last_decision_names_the_recordings(
    pages_db: Database, signed_in: In
) -> None:
    campaign_id, _ = approved(pages_db)
    known = pages_db.read(recordings.of_campaign, campaign_id)
    pages_db.write(lifecycle.remove_recording, campaign_id, known[0].id, "author")
    pages_db.write(lifecycle.submit, campaign_id, "author")
    said = text(signed_in("approver").get(f"/approvals?campaign={campaign_id}").text)
    assert re.search(r"Bản ghi âm\s*:", said)


def test_the_operator_of_the_carrier_that_plays_it_downloads_it_from_the_runs_page(
    pages_db: Database, signed_in: In
) -> None:
    _, run_id = approved(pages_db)
    paper = signed_in("operator", "vnpt")
    page = paper.get(f"/runs/{run_id}").text
    places = set(sounds(page))  # beside the order to begin, and below
    assert [paper.get(place).status_code for place in places] == [200, 200]
    said = text(page)
    for shown in (WORDS, HMONG, "phát bản ghi âm"):
        assert shown in said
    assert "Canh giac lua dao" not in said  # the text for messages


def test_the_operator_hears_nothing_that_is_not_approved(pages_db: Database, signed_in: In) -> None:
    _, run_id = spoken_run(pages_db, recorded())
    page = signed_in("operator", "vnpt").get(f"/runs/{run_id}").text
    assert sounds(page) == []
    assert "sau khi chiến dịch được duyệt" in text(page)


def test_stated_calls_are_told_as_calls_and_beside_every_total(pages_db: Database, signed_in: In) -> None:
    _, run_id = approved(pages_db)
    began = clock.now_ms() - 1000
    row = {"state": "running", "started_at": began}
    pages_db.write(lambda c: c.execute(update(runs).where(runs.c.id == run_id).values(row)))
    paper = signed_in()
    page = text(paper.get(f"/runs/{run_id}").text)
    assert "cuộc gọi nào có người nghe" in page
    at = clock.local(clock.now()).strftime("%H:%M %d/%m/%Y")
    fields = {"eligible": "350.000", "sent": "350.000", "level": "handset", "received": "300000"}
    fields |= {"failed": "50.000", "cutoff": at}
    few = fields | {"eligible": "3.500", "sent": "3.500", "received": "3000", "failed": "500"}
    asked = paper.send(f"/runs/{run_id}", f"/runs/{run_id}/statements", **few)
    assert "chênh lệch quá lớn so với số ước tính" in text(asked.text)  # a question, in the page's language
    assert 'name="note"' in asked.text  # where the question wants its answer
    note = "Tổng đài gọi theo hai đợt"
    stated = paper.send(f"/runs/{run_id}", f"/runs/{run_id}/statements", note=note, **fields)
    assert stated.status_code == 303, text(stated.text)
    kept = pages_db.read(lambda c: c.execute(select(statements.c.run_id, statements.c.note)).all())
    assert kept == [(run_id, note)]
    said = text(paper.get(f"/runs/{run_id}").text)
    assert "không thể biết ai trong số đó cũng đã nhận tin nhắn" in said
    assert re.search(r"Cuộc gọi có người nghe\s*300\.000", said)
    head = text(paper.get("/").text)
    assert "350.000 cuộc, 300.000 cuộc có người nghe" in head


@pytest.mark.prove
def test_a_printed_code_of_calls_says_that_they_are_no_messages(pages_db: Database, paper: Paper) -> None:
    called(pages_db)
    told(pages_db)
    freezer = Freezer(pages_db, ledger_for(pages_db), letterhead.load(None), "officer")
    frozen, _ = freezer.freeze(ReportSubject(SubjectKind.RUN, 2))
    codes = select(frozen_reports.c.code).where(frozen_reports.c.id == frozen.id)
    code = pages_db.read(lambda c: c.execute(codes).scalar_one())
    said = text(paper.get(f"/verify/reports?code={code}").text)
    assert re.search(r"cuộc gọi, không phải tin nhắn.*970", said)

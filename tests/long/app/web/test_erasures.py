"""Erasures: what is kept until when and why, and the certificates of what is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqlalchemy import update

from app.database.connection import Database
from app.database.models import erasures
from app.privacy import terms_in_force
from app.privacy.erasable import RetentionTerms
from tests.app.campaigns.rows import new_batch, new_run
from tests.long.app.privacy.past import eraser, over
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


def test_what_is_kept_is_told_with_its_day_or_with_what_keeps_it(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_run)
    pages_db.write(new_batch, name="unused.csv", sha256="1" * 64)
    said = text(signed_in("auditor").get("/erasures").text)
    assert "Before Tet số thuê bao của chiến dịch số 1 chưa đến hạn Đợt 1 (vnpt) chưa gửi." in said
    assert "list.csv thuê bao của lô số 1 chưa đến hạn Chiến dịch 1 đang dùng." in said
    assert (
        "unused.csv thuê bao của lô số 2 01/04/1970 90 ngày sau khi nhập, vì không chiến dịch nào dùng"
        in said
    )
    assert "Chưa xóa gì." in said


def test_a_term_that_was_shortened_is_told_until_it_is_confirmed(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_batch, name="unused.csv", sha256="1" * 64)
    pages_db.write(terms_in_force.note, RetentionTerms(3650, 24))
    paper = signed_in("auditor")
    said = text(paper.get("/erasures").text)
    assert "retention_days đã được rút từ 3650 xuống 90." in said
    assert "loa retention confirm" in said
    assert "3650 ngày sau khi nhập" in said
    pages_db.write(terms_in_force.confirm, RetentionTerms(90, 24), "root")
    said = text(paper.get("/erasures").text)
    assert "rút từ" not in said
    assert "90 ngày sau khi nhập" in said


def test_certificates_are_listed_and_shown_as_they_are_filed(pages_db: Database, signed_in: In) -> None:
    over(pages_db)
    asyncio.run(eraser(pages_db).run(asyncio.Event()))
    paper = signed_in("approver")
    listed = text(paper.get("/erasures").text)
    assert "số thuê bao của chiến dịch" in listed
    assert "còn nguyên" in listed
    shown = paper.get("/erasures/1").text
    assert "CHỨNG NHẬN XÓA DỮ LIỆU CÁ NHÂN số 1" in shown
    assert "Theo quy tắc: 90 ngày sau" in text(shown)
    assert 'href="/v1/erasures/1/text"' in shown
    assert paper.get("/v1/erasures/1/text").status_code == 200
    assert paper.get("/erasures/999").status_code == 404


def test_an_altered_certificate_is_told(pages_db: Database, signed_in: In) -> None:
    over(pages_db)
    asyncio.run(eraser(pages_db).run(asyncio.Event()))
    pages_db.write(lambda c: c.execute(update(erasures).where(erasures.c.id == 1).values(name="else")))
    paper = signed_in("auditor")
    assert "bị sửa" in text(paper.get("/erasures").text)
    assert "Mã băm của biên bản không khớp" in text(paper.get("/erasures/1").text)


def test_with_nothing_there_the_page_says_so(signed_in: In) -> None:
    assert "Chưa lưu gì" in text(signed_in("auditor").get("/erasures").text)

"""The links' page: what stands still, in words, and the person who says that it is mended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from app.accounts.service import NewPerson, add_person
from app.core.config import LinkSettings, Settings
from app.database.connection import Database
from app.database.models import links as table
from app.dispatch import link_store
from app.runtime.api_app import create_app
from carriers.contract import Halted
from carriers.phrases import Phrase
from tests.app.campaigns.rows import new_link
from tests.app.client import Client
from tests.long.app.web.conftest import PASSWORD, Paper, text

In = Callable[..., Paper]


def test_a_halted_link_is_resumed_by_its_operator_and_by_no_auditor(
    pages_db: Database, signed_in: In
) -> None:
    assert "Chưa có kết nối nào." in text(signed_in("auditor").get("/links").text)
    pages_db.write(new_link, "vnpt-1", 400.0)
    pages_db.write(new_link, "viettel-1", 100.0, carrier="viettel")
    pages_db.write(link_store.halt, 1, Halted("101", "The quota is used up <now>."))
    paper = signed_in("operator", "vnpt")
    page = paper.get("/links").text
    assert "The quota is used up &lt;now&gt;." in page
    assert "viettel" not in page.lower()
    assert "Kết nối vnpt-1 sẽ gửi lại với tốc độ 400,0 bản tin/giây." in text(page)
    answer = paper.send("/links", "/links/1/resume")
    assert (answer.status_code, answer.headers["location"]) == (303, "/links")
    after = text(paper.get("/links").text)
    assert "Kết nối đã chạy tiếp." in after
    assert "quota" not in after
    assert pages_db.read(lambda c: c.execute(select(table.c.state)).scalars().first()) == "running"
    again = paper.send("/campaigns?state=nonsense", "/links/1/resume")
    assert again.status_code == 409
    assert paper.send("/links", "/links/1/halt", reason="The carrier works on its centre.").status_code == 303
    halted = text(paper.get("/links").text)
    assert "The carrier works on its centre." in halted
    assert "by_hand" not in halted  # which is a mark of Loa's, not a code of the carrier
    assert paper.send("/links", "/links/1/resume").status_code == 303
    assert paper.send("/links", "/links/2/resume").status_code == 404
    reader = signed_in("admin", None)
    assert "Chạy tiếp" not in text(reader.get("/links").text)


def test_a_link_that_does_not_say_what_its_receipts_prove_is_named(
    pages_db: Database, tmp_path: Path
) -> None:
    silent = LinkSettings(carrier="vnpt", segments_per_second=5)
    stated = LinkSettings.model_validate(silent.model_dump() | {"receipt_level": "handset"})
    settings = Settings(data=tmp_path, environment="development", links={"vnpt-1": silent, "vnpt-2": stated})
    for name in settings.links:
        pages_db.write(new_link, name, 400.0)
    pages_db.write(add_person, NewPerson("admin person", "admin"), PASSWORD, "test")
    with Client(create_app(settings, pages_db)) as client:
        paper = Paper(client)
        paper.sign_in("admin person")
        page = text(paper.get("/links").text)
    assert "Kết nối vnpt-1 chưa khai báo giá trị chứng minh của biên nhận" in page
    assert "Kết nối vnpt-2 chưa khai báo" not in page


def test_why_a_link_halts_is_told_in_the_reader_s_language(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_link, "vnpt-1", 400.0)
    what = "The label is wrong or not active. Check label_id."
    said = Phrase("{what} Then resume the link.", what=Phrase(what))
    pages_db.write(link_store.halt, 1, Halted("14", said))
    paper = signed_in("operator", "vnpt")
    for path in ("/", "/links"):
        page = text(paper.get(path).text)
        assert "Tên định danh sai hoặc chưa kích hoạt: hãy kiểm tra label_id." in page
        assert "resume the link" not in page
    paper.cookies["loa_lang"] = "en"
    assert said in text(paper.get("/links").text)

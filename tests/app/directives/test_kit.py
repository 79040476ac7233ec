"""A campaign's kit: only of what is approved, only its words, and the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from fastapi import FastAPI
from pypdf import PdfReader
from sqlalchemy import select, update

from app.campaigns import approval, lifecycle
from app.campaigns.drafts import Draft
from app.cli import campaign_commands
from app.core.config import Settings
from app.core.errors import Conflict
from app.database.connection import Database
from app.database.models import campaigns
from app.directives import kit
from app.directives.kit import KitSource
from app.ledger import approval_digest
from app.security import Caller, create_key
from carriers import text as sms
from tests.app.campaigns.rows import DRAFT, new_campaign
from tests.app.campaigns.test_held_runs import AUDIENCE, held_run
from tests.app.cli.test_campaign_commands import Shell
from tests.app.client import Client
from tests.engines import by_default

database_url = by_default
pytestmark = pytest.mark.longer
TEXT = "Cảnh giác lừa đảo: KHÔNG chuyển 500.000đ, không đọc mã OTP. Gọi 113 trước 9/2/2031, 24/7."
OWN = replace(DRAFT, name="Bí mật nội bộ", text=TEXT)
HOST = {"Host": "loa.example.vn"}
KEYED = Draft(name="Tet", purpose="canh_bao_khan", sender="CA SON LA", text_key="gia-danh-cong-an")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, public_hosts=("loa.example.vn",))


def approved(db: Database, draft: Draft = OWN) -> int:
    campaign_id = db.write(new_campaign, draft)
    db.write(lifecycle.add_held_run, campaign_id, "vnpt", AUDIENCE, "author")
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, Caller("approver", "admin"), acknowledged=True)
    return campaign_id


def source(db: Database, settings: Settings, draft: Draft = OWN) -> KitSource:
    return db.read(kit.read, approved(db, draft), settings)


def unpacked(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture
def files(db: Database, settings: Settings) -> dict[str, bytes]:
    return unpacked(kit.build(source(db, settings)))


def everything() -> frozenset[str]:
    """Every word of the forms, in small letters, as `words_of` splits them."""
    said = [*kit.TITLES.values(), *(v for v in vars(kit).values() if isinstance(v, str))]
    return frozenset(word for text in said for word in words_of(text))


def words_of(text: str) -> list[str]:
    """The text split at blanks; in small letters, without the marks at the ends of words."""
    stripped = (word.strip(".,:;!?()[]{}“”\"'…–-=/").casefold() for word in text.split())
    return [word for word in stripped if word]


class Visible(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.links: list[str | None] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "action", "srcset")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def said(files: dict[str, bytes]) -> dict[str, str]:
    """Return what each file says to its reader."""
    page = Visible()
    page.feed(files["trang-web.html"].decode())
    letter = Document(io.BytesIO(files["cong-van.docx"]))
    cells = [each.text for table in letter.tables for row in table.rows for each in row.cells]
    poster = "\n".join(each.extract_text() for each in PdfReader(io.BytesIO(files["ap-phich.pdf"])).pages)
    plain = {name: content.decode() for name, content in files.items() if name.endswith(".txt")}
    return plain | {
        "trang-web.html": " ".join(page.said),
        "cong-van.docx": "\n".join([*cells, *(each.text for each in letter.paragraphs)]),
        "ap-phich.pdf": poster,
    }


def test_every_file_is_in_the_manifest_with_its_hash(db: Database, settings: Settings) -> None:
    of = source(db, settings)
    files = unpacked(kit.build(of))
    manifest = json.loads(files.pop(kit.MANIFEST))
    assert manifest["digest"] == of.digest
    assert {each["name"]: each["sha256"] for each in manifest["files"]} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }
    texts = "sms-khong-dau sms-co-dau sms"
    papers = {"trang-web.html", "ap-phich.pdf", "cong-van.docx"}
    assert set(files) == {f"{name}.txt" for name in texts.split()} | papers


def test_the_sms_forms_are_the_approved_text_to_the_letter(files: dict[str, bytes]) -> None:
    assert files["sms-khong-dau.txt"].decode() == sms.unaccent(TEXT)
    assert files["sms-co-dau.txt"].decode() == TEXT
    listed = {each["file"]: each for each in json.loads(files[kit.MANIFEST])["sms"]}
    assert listed["sms-khong-dau.txt"] == {"file": "sms-khong-dau.txt", "sent": True, "segments": 1}
    assert listed["sms-co-dau.txt"]["segments"] == sms.segments(TEXT) == 2
    assert not listed["sms-co-dau.txt"]["sent"]


@pytest.mark.parametrize("draft", [OWN, KEYED])
def test_no_word_stands_there_that_is_neither_approved_nor_of_the_form(
    db: Database, settings: Settings, draft: Draft
) -> None:
    of = source(db, settings, draft)
    head = of.head
    named = (head.superior, head.agency, head.name, head.place, head.post, *head.recipients, of.verify)
    letter_form = (
        "Số: /CAT-PA05 V/v Kính gửi Nơi nhận ngày tháng năm CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM Độc lập Tự do"
    )
    draft_mark = f"{of.digest} Hạnh phúc DỰ THẢO"
    known = everything()
    for each in (
        of.original,
        of.sent,
        sms.unaccent(of.original),
        *named,
        letter_form,
        draft_mark,
    ):
        known |= set(words_of(each)) | set(words_of(re.sub(r"[/\-.]", " ", each)))
    for name, text in said(unpacked(kit.build(of))).items():
        text = re.sub(r"(?m)^Phần \d+/\d+: .*$", "", text)  # parts of an SMS end within words
        for word in words_of(text):
            parts = words_of(re.sub(r"[/\-.@\u200b]", " ", word))
            fine = word in known or all(part in known or part.isdecimal() for part in parts)
            glued = name == "ap-phich.pdf" or re.fullmatch(r"\d{4}-\d\d-\d\dt[\d:+]+", word)
            assert fine or glued, (name, word)
        assert "mật" not in text.casefold().split() or draft is KEYED, (
            name
        )  # the campaign's name is not approved


def test_every_channel_has_the_text_with_its_diacritics(files: dict[str, bytes]) -> None:
    for name, text in said(files).items():
        flat = " ".join(text.split())
        if name == "ap-phich.pdf":
            assert TEXT.replace(" ", "") in flat.replace(" ", "")
        elif name != "sms-khong-dau.txt":
            assert TEXT in flat, name


def test_the_page_is_whole_in_itself_and_leads_to_the_check_alone(db: Database, settings: Settings) -> None:
    files = unpacked(kit.build(source(db, settings, replace(OWN, text="Cảnh giác <b>& đừng tin"))))
    page = Visible()
    page.feed(files["trang-web.html"].decode())
    assert page.links == ["https://loa.example.vn/verify"]
    assert not page.tags & {"script", "link", "img", "iframe", "style", "form", "object", "b"}
    assert "url(" not in files["trang-web.html"].decode()
    assert "Cảnh giác <b>& đừng tin" in " ".join(page.said)


def test_the_bytes_are_the_same_each_time(db: Database, settings: Settings) -> None:
    of = source(db, settings)
    assert kit.build(of) == kit.build(of)


@pytest.mark.parametrize("text", ["Ngắn.", "Cảnh giác với lừa đảo qua mạng. " * 20])
def test_the_poster_is_one_page_of_a4(db: Database, settings: Settings, text: str) -> None:
    of = source(db, settings, replace(OWN, text=text.strip()))
    pages = PdfReader(io.BytesIO(unpacked(kit.build(of))["ap-phich.pdf"])).pages
    assert len(pages) == 1
    assert [round(float(side) * 25.4 / 72) for side in pages[0].mediabox[2:]] == [210, 297]
    assert " ".join(pages[0].extract_text().split()).count("lừa đảo") == text.count("lừa đảo")


def test_the_longest_text_fits_on_the_poster(db: Database, settings: Settings) -> None:
    text = "Cảnh giác với kẻ gian giả danh. " * 20
    of = source(db, settings, replace(OWN, text=text.strip()))
    assert len(PdfReader(io.BytesIO(unpacked(kit.build(of))["ap-phich.pdf"])).pages) == 1


def test_nothing_but_what_is_approved_has_a_kit(db: Database, settings: Settings) -> None:
    campaign_id, _ = held_run(db, text=TEXT)
    for state in ("draft", "submitted"):
        with pytest.raises(Conflict, match=state):
            db.read(kit.read, campaign_id, settings)
        if state == "draft":
            db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, Caller("approver", "admin"))
    db.read(kit.read, campaign_id, settings)
    db.write(lifecycle.withdraw, campaign_id, "author")
    with pytest.raises(Conflict, match="withdrawn"):
        db.read(kit.read, campaign_id, settings)


@pytest.mark.parametrize("column", ["texts", "wording"])
def test_a_text_altered_in_the_database_has_no_kit(db: Database, settings: Settings, column: str) -> None:
    campaign_id = approved(db)
    wrong: Any = TEXT.replace("lừa", "lúa")
    wrong = {"": sms.unaccent(wrong) + "!"} if column == "texts" else wrong
    db.write(lambda c: c.execute(update(campaigns).values({column: wrong})))
    with pytest.raises(Conflict, match="differs"):
        db.read(kit.read, campaign_id, settings)


def test_an_older_approval_vouches_for_what_it_signed_alone(db: Database, settings: Settings) -> None:
    """It was of the unaccented text; the diacritics that stand beside it now are nobody's."""
    campaign_id, _ = held_run(db, text=TEXT)
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(lambda c: c.execute(update(campaigns).values(wording=None)))
    db.write(approval.approve, campaign_id, Caller("approver", "admin"), acknowledged=True)
    db.write(lambda c: c.execute(update(campaigns).values(wording=TEXT)))
    row = db.read(lambda c: c.execute(select(campaigns)).one())
    old = db.read(approval_digest.last_decision, campaign_id).digest
    assert db.read(approval_digest.holds, row, old)
    assert db.read(kit.read, campaign_id, settings).original == sms.unaccent(TEXT)


def test_the_kit_over_http_and_the_command_line(
    application: FastAPI, client: Client, db: Database, database_url: str, tmp_path: Path
) -> None:
    campaign_id = approved(db)
    url = f"/v1/campaigns/{campaign_id}/kit"
    got = client.get(url, headers=HOST)
    assert got.headers["Content-Disposition"] == f'attachment; filename="loa-campaign-{campaign_id}-kit.zip"'
    with Client(application, db.write(create_key, "vnpt desk", "operator", "vnpt")) as operator:
        assert operator.get(url, headers=HOST).status_code == 403
    assert client.get("/v1/campaigns/999/kit", headers=HOST).status_code == 404
    db.close()
    shell = Shell(database_url, tmp_path)
    shell.env["LOA_PUBLIC_HOSTS"] = '["loa.example.vn"]'
    shell(campaign_commands.app, "kit", str(campaign_id), "--out", str(tmp_path / "kit.zip"))
    assert zipfile.is_zipfile(tmp_path / "kit.zip")
    assert (tmp_path / "kit.zip").read_bytes() == got.content

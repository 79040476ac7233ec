"""The order to a carrier as a paper: what it must say, for whom it is to be had."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from fastapi import FastAPI
from pypdf import PdfReader

from app.campaigns import carrier_orders
from app.cli import run_commands
from app.core.errors import Invalid
from app.database.connection import Database
from app.directives import order_document
from app.reports.export.formats import PAPERS, Format
from app.reports.forms import letterhead
from app.security import create_key
from tests.app.campaigns.test_held_runs import approved
from tests.app.cli.test_campaign_commands import Shell
from tests.app.client import Client
from tests.exact import exactly
from tests.long.app.reports.reading import words

TEXT = "Cong an khong lam viec qua dien thoai."


@pytest.mark.longer
@pytest.mark.parametrize("form", [Format.DOCX, Format.PDF])
def test_the_paper_says_what_the_operator_needs(db: Database, form: Format) -> None:
    run_id = approved(db, text=TEXT)
    order = db.read(carrier_orders.order, run_id)
    paper = order_document.compose(order, letterhead.load(None))
    said = words(form, PAPERS[form](paper))
    joined = said.replace(" ", "")
    for name in (TEXT, order.texts[0].sha256, order.digest, "350.000 thuê bao", "Huyện Mai Sơn (125)"):
        assert name.replace(" ", "") in joined, name
    assert paper.mark == "DỰ THẢO"  # across every page, and in a PDF as outlines: not among its words
    assert "DỰTHẢO" not in joined
    assert "/BC-" not in joined  # a request is no report
    assert "V/vnhắntintuyêntruyềnđếnthuêbaododoanhnghiệpquảnlý" in joined
    assert "YÊUCẦU" not in joined.replace("NỘIDUNGYÊUCẦU", "")  # no kind of paper that the decree knows


@pytest.mark.longer
def test_the_signature_stands_on_a_page_with_text(db: Database) -> None:
    order = db.read(carrier_orders.order, approved(db, text=TEXT))
    content = PAPERS[Format.PDF](order_document.compose(order, letterhead.load(None)))
    last = PdfReader(io.BytesIO(content)).pages[-1].extract_text()
    assert last.index("biểu mẫu") < last.index("Nơi nhận:")


@pytest.mark.longer
def test_the_paper_over_http_is_for_the_own_carrier(
    client: Client, application: FastAPI, db: Database
) -> None:
    run_id = approved(db)
    url = f"/v1/runs/{run_id}/order/paper"
    with Client(application, db.write(create_key, "vnpt desk", "operator", "vnpt")) as operator:
        assert operator.get(url, params={"format": "pdf"}).content[:5] == b"%PDF-"
    with Client(application, db.write(create_key, "viettel desk", "operator", "viettel")) as other:
        assert other.get(url).status_code == 404
    assert client.get(url, params={"format": "txt"}).status_code == 422


@pytest.mark.longer
def test_the_paper_on_the_command_line(db: Database, database_url: str, tmp_path: Path) -> None:
    run_id = approved(db)
    db.close()
    shell = Shell(database_url, tmp_path)
    assert "YÊU CẦU NHẮN TIN" in shell(run_commands.app, "order", str(run_id))
    shell(run_commands.app, "order", str(run_id), "--out", str(tmp_path / "order.docx"))
    assert zipfile.is_zipfile(tmp_path / "order.docx")
    with pytest.raises(Invalid, match=exactly("--out must be a .docx or .pdf file.")):
        shell(run_commands.app, "order", str(run_id), "--out", str(tmp_path / "order.odt"))

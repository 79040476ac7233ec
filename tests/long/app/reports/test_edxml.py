"""The envelope in which an issued report goes to other agencies, read as their systems read it."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from app.reports.forms import letterhead
from app.reports.frozen import archive
from app.reports.release.freeze import Freezer
from app.reports.release.issue import issue
from tests.long.app.reports.conftest import Two
from tests.long.app.reports.test_issue import DATED, SIGNED, TODAY, text_of

NS = {"ed": "http://www.mic.gov.vn/TBT/QCVN_102_2016"}
HEADER = "ed:edXMLEnvelope/ed:edXMLHeader/"
MESSAGE = HEADER + "ed:MessageHeader/"
# As the regulation numbers them, 1.1 to 1.14; ResponseFor, 1.12, belongs to answers.
ORDER = [
    *(
        "From",
        "To",
        "Code",
        "PromulgationInfo",
        "DocumentType",
        "Subject",
        "Content",
        "SignerInfo",
        "ToPlaces",
    ),
    *("OtherInfo", "SteeringType", "DocumentId"),
]


def coded(freezer: Freezer, folder: Path, to: str = "000.00.00.H52") -> Freezer:
    """The letterhead of the police with the codes of both agencies; `&` must not spoil the XML."""
    own = ['carrier = ""\nsuperior = "BỘ CÔNG AN"\nagency = "CÔNG AN & TỈNH"\nname = "Công an tỉnh Sơn La"']
    own += ['symbol = "BC-CAT-PA05"\nplace = "Sơn La"\nto = "Chủ tịch UBND tỉnh <Sơn La>"']
    own += ['recipients = ["Như trên", "Bộ Công an", "Lưu: VT"]\npost = "GIÁM ĐỐC"']
    own += [f'organ_id = "000.00.12.G01"\nto_organ_id = "{to}"']
    (folder / "heads.toml").write_text("[[letterhead]]\n" + "\n".join(own) + "\n", "utf-8")
    return Freezer(freezer.db, freezer.ledger, letterhead.load(folder / "heads.toml"), "officer")


def said(root: ET.Element, path: str) -> str | None:
    return root.findtext(path, namespaces=NS)


@pytest.mark.prove
def test_the_envelope_says_what_the_paper_says_and_holds_it(frozen: Two, tmp_path: Path) -> None:
    freezer, (first, second) = frozen
    freezer = coded(freezer, tmp_path)
    issued = issue(freezer, first.id, None, SIGNED)
    root = ET.fromstring(freezer.db.read(archive.content, issued, "issued-edxml")[1])
    assert [re.sub("{.*}", "", each.tag) for each in root.iterfind(f"{MESSAGE}*", NS)] == ORDER
    assert said(root, MESSAGE + "ed:From/ed:OrganId") == "000.00.12.G01"
    assert said(root, MESSAGE + "ed:To/ed:OrganId") == "000.00.00.H52"
    assert said(root, MESSAGE + "ed:To/ed:OrganName") == "Chủ tịch UBND tỉnh <Sơn La>"
    assert [each.text for each in root.iterfind(f"{MESSAGE}ed:ToPlaces/ed:Place", NS)] == [
        *("Chủ tịch UBND tỉnh <Sơn La>", "Bộ Công an", "Lưu: VT")
    ]
    beside = json.loads(freezer.db.read(archive.content, issued, "issued-meta")[1])
    assert beside["To"] == [{"OrganId": "000.00.00.H52", "OrganName": "Chủ tịch UBND tỉnh <Sơn La>"}]
    assert said(root, MESSAGE + "ed:Code/ed:CodeNumber") == "125"
    assert said(root, MESSAGE + "ed:DocumentId") == f"000.00.12.G01,{TODAY:%Y/%m/%d},125/BC-CAT-PA05"
    assert said(root, MESSAGE + "ed:SignerInfo/ed:FullName") == "Đại tá Nguyễn Văn A"
    assert said(root, HEADER + "ed:TraceHeaderList/ed:Bussiness/ed:BussinessDocType") == "0"
    (of_body,) = root.iterfind("ed:edXMLEnvelope/ed:edXMLBody/ed:edXMLManifest/ed:Reference", NS)
    (file,) = root.iterfind("ed:AttachmentEncoded/ed:Attachment", NS)
    assert said(of_body, "ed:ContentId") == said(file, "ed:ContentId")
    assert said(file, "ed:AttachmentName") == "125-BC-CAT-PA05.pdf"
    packed = zipfile.ZipFile(io.BytesIO(base64.b64decode(said(file, "ed:ContentTransferEncoded") or "")))
    assert packed.read("125-BC-CAT-PA05.pdf") == freezer.db.read(archive.content, issued, "issued-pdf")[1]
    later = issue(freezer, second.id, None, replace(SIGNED, number="130", remarks={}))
    again = ET.fromstring(freezer.db.read(archive.content, later, "issued-edxml")[1])
    business = again.find(HEADER + "ed:TraceHeaderList/ed:Bussiness", NS)
    assert business is not None
    assert said(business, "ed:BussinessDocType") == "3"  # it replaces a document
    assert said(business, "ed:ReplacementInfoList/ed:ReplacementInfo/ed:DocumentId") == (
        f"000.00.12.G01,{TODAY:%Y/%m/%d},125/BC-CAT-PA05"
    )


@pytest.mark.prove
def test_without_the_codes_of_both_agencies_there_is_no_envelope(frozen: Two, tmp_path: Path) -> None:
    freezer, (first, _) = frozen
    issued = issue(coded(freezer, tmp_path, to=""), first.id, None, SIGNED)
    assert "issued-edxml" not in {each.format for each in issued.files}


@pytest.mark.prove
def test_what_is_replaced_is_named_as_it_was_issued_though_the_letterhead_was_corrected(
    frozen: Two, tmp_path: Path
) -> None:
    freezer, (first, second) = frozen
    issue(coded(freezer, tmp_path), first.id, None, SIGNED)
    (heads,) = tmp_path.glob("heads.toml")
    for was, now in (("BC-CAT-PA05", "BC-CAT-PX03"), ("000.00.12.G01", "000.00.99.G01"), ("tỉnh Sơn", "Sơn")):
        heads.write_text(heads.read_text("utf-8").replace(was, now), "utf-8")
    now = Freezer(freezer.db, freezer.ledger, letterhead.load(heads), "officer")
    later = issue(now, second.id, None, replace(SIGNED, number="130", remarks={}))
    root = ET.fromstring(now.db.read(archive.content, later, "issued-edxml")[1])
    assert said(root, MESSAGE + "ed:DocumentId") == f"000.00.99.G01,{TODAY:%Y/%m/%d},130/BC-CAT-PX03"
    replaced = HEADER + "ed:TraceHeaderList/ed:Bussiness/ed:ReplacementInfoList/ed:ReplacementInfo/"
    assert said(root, replaced + "ed:DocumentId") == f"000.00.12.G01,{TODAY:%Y/%m/%d},125/BC-CAT-PA05"
    for form in ("issued-docx", "issued-pdf"):
        paper = text_of(now, later, form)
        assert f"thay thế Báo cáo số 125/BC-CAT-PA05 {DATED} của Công an tỉnh Sơn La (số liệu" in paper
        assert "Số: 130/BC-CAT-PX03" in paper

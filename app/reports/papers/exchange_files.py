"""An outgoing paper for agencies' document systems: its fields as JSON, and its edXML envelope.

The fields are those of Decree 30/2020/NĐ-CP, annex VI. The envelope has the elements of QCVN 102:2016/BTTTT
in their order (1.1 From to 1.14 DocumentId, 2 TraceHeaderList, body, attachments); dates are yyyy/MM/dd,
an attachment is the base64 of a ZIP with the one file. Codes of the kinds of document (TypeDetail) are not
public; 0 leaves the kind to its name.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from xml.etree import ElementTree as ET

from app.core import clock
from app.reports.figures.numbers import iso
from app.reports.figures.version import Version
from app.reports.forms.letterhead import Letterhead
from app.reports.papers.final_paper import SIGNER_LENGTH, Issue, ReplacedPaper
from app.reports.papers.model import PaperDocument

_PAGE = re.compile(rb"/Type\s*/Page\b")


def metadata(
    paper: PaperDocument, head: Letterhead, version: Version, pdf: bytes, issue: Issue | None = None
) -> bytes:
    """Render the decree's fields; what only the office knows stays empty until the paper is issued."""
    signer = issue.signer if issue else head.signer
    document = {
        "OrganId": head.organ_id[:13],
        "FileCatalog": "",
        "FileNotation": "",
        "DocOrdinal": "",
        "TypeName": "Báo cáo",
        "CodeNumber": issue.number if issue else "",
        "CodeNotation": _fitting(head.symbol, 30),
        "IssuedDate": f"{issue.dated_on:%d/%m/%Y}" if issue else "",
        "OrganName": _fitting(head.name, 200),
        "Subject": _fitting(paper.title, 500),
        "Language": "Tiếng Việt",
        "PageAmount": pages(pdf),
        "Description": f"{version.words(paper.cutoff_ms)}.{f' {paper.mark}.' if paper.mark else ''}",
        "InforSign": {
            "Position": _fitting(head.post, 100),
            "FullName": _fitting(signer, SIGNER_LENGTH),
        },
        "To": [{"OrganId": head.to_organ_id[:13], "OrganName": _fitting(head.to, 200)}],
        "Priority": "",
        "IssuedAmount": "",
        "DueDate": "",
        "Loa": {"version": version.number, "cut_off_at": iso(paper.cutoff_ms), "draft": bool(paper.mark)},
    }
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def _fitting(text: str, most: int) -> str:
    """Return a text in the decree's length; what is cut is seen by its end."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def pages(pdf: bytes) -> int:
    """Count the pages of a PDF made by Loa."""
    return len(_PAGE.findall(pdf))


NAMESPACE = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
PDF = "application/pdf"
_AS_ABOVE = "Như trên"  # in a list of recipients: whom the paper is addressed to
_NEW, _REPLACES = "0", "3"
_REASON = "Cập nhật số liệu báo cáo."
_SAME_TIME = (1980, 1, 1, 0, 0, 0)  # in every ZIP, so that the same paper gives the same bytes
ET.register_namespace("edXML", NAMESPACE)


@dataclass(frozen=True, slots=True)
class Attached:
    """A file of the paper: its name and content; all are PDFs."""

    name: str
    content: bytes

    @property
    def id(self) -> str:
        return f"cid:{uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(self.content).hexdigest())}"


def envelope(
    paper: PaperDocument,
    head: Letterhead,
    issue: Issue,
    files: Sequence[Attached],
    before: ReplacedPaper | None,
) -> bytes:
    """Write the envelope. head: with the codes of the sender and of the addressee."""
    root = ET.Element(_named("edXML"))
    envelope = _add(root, "edXMLEnvelope")
    header = _add(envelope, "edXMLHeader")
    message = _add(header, "MessageHeader")
    for name, organ, in_charge, code in (
        ("From", head.name, head.superior, head.organ_id),
        ("To", head.to, "", head.to_organ_id),
    ):
        _fill(_add(message, name), OrganId=code, OrganizationInCharge=in_charge, OrganName=organ)
    _fill(_add(message, "Code"), CodeNumber=issue.number, CodeNotation=head.symbol)
    _fill(_add(message, "PromulgationInfo"), Place=head.place, PromulgationDate=_day(issue.dated_on))
    _fill(_add(message, "DocumentType"), Type="1", TypeDetail="0", TypeName="Báo cáo")
    _fill(message, Subject=paper.title, Content=paper.title)
    _fill(_add(message, "SignerInfo"), Competence="", Position=head.post, FullName=issue.signer.strip())
    places = _add(message, "ToPlaces")
    for place in _places(head):
        _fill(places, Place=place)
    sheets = str(sum(pages(each.content) for each in files))
    _fill(_add(message, "OtherInfo"), Priority="0", PromulgationAmount="1", PageAmount=sheets)
    _fill(message, SteeringType="0", DocumentId=_document(head, issue.number, issue.dated_on))
    _add_trace(header, head, before)
    _add_files(root, envelope, files)
    ET.indent(root)
    return f"{ET.tostring(root, 'unicode', xml_declaration=True)}\n".encode()


def _places(head: Letterhead) -> list[str]:
    """Return the addressee and all others in the list at the paper's end."""
    listed = (head.to if each == _AS_ABOVE else each for each in head.recipients)
    return list(dict.fromkeys((head.to, *listed)))


def _add_trace(header: ET.Element, head: Letterhead, before: ReplacedPaper | None) -> None:
    traces = _add(header, "TraceHeaderList")
    now = clock.local(clock.now())
    _fill(_add(traces, "TraceHeader"), OrganId=head.organ_id, Timestamp=f"{now:%Y/%m/%d %H:%M:%S}")
    business = _add(traces, "Bussiness")  # the regulation's spelling
    _fill(business, BussinessDocType=_REPLACES if before else _NEW)
    if before:
        _fill(business, BussinessDocReason=_REASON)
    _fill(business, Paper="0")
    if before:
        replaced = _add(_add(business, "ReplacementInfoList"), "ReplacementInfo")
        own = replace(head, organ_id=before.organ_id or head.organ_id, symbol=before.symbol)
        _fill(replaced, DocumentId=_document(own, before.number, before.dated_on))
        _fill(_add(replaced, "OrganIdList"), OrganId=head.to_organ_id)


def _add_files(root: ET.Element, envelope: ET.Element, files: Sequence[Attached]) -> None:
    manifest = _add(_add(envelope, "edXMLBody"), "edXMLManifest")
    manifest.set("version", "1.0")
    encoded = _add(root, "AttachmentEncoded")
    for each in files:
        named = {"ContentId": each.id, "ContentType": PDF, "AttachmentName": each.name}
        _fill(_add(manifest, "Reference"), **named)
        _fill(_add(encoded, "Attachment"), **named, ContentTransferEncoded=_packed(each))


def _packed(file: Attached) -> str:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo(file.name, _SAME_TIME), file.content, zipfile.ZIP_DEFLATED)
    return base64.b64encode(out.getvalue()).decode()


def _document(head: Letterhead, number: str, day: date) -> str:
    """Return the identity of a document: the sender's code, the day, number and symbol."""
    return f"{head.organ_id},{_day(day)},{number}/{head.symbol}"


def _day(day: date) -> str:
    return f"{day:%Y/%m/%d}"


def _named(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _add(parent: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(parent, _named(name))


def _fill(parent: ET.Element, **texts: str) -> None:
    for name, text in texts.items():
        allowed = (each for each in text if each >= " " or each in "\t\n\r")  # what XML 1.0 can hold
        _add(parent, name).text = "".join(allowed)

"""The kit of an approved campaign: one zip for every channel beside SMS, the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from importlib.resources import as_file, files
from pathlib import Path
from string import Template
from typing import Any

from sqlalchemy import Connection, select

from app.campaigns import approval, optimistic_lock, texts
from app.campaigns.optimistic_lock import Record
from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict
from app.database.models import directives
from app.ledger.approval_digest import digest
from app.reports.export.formats import PAPERS, Format
from app.reports.export.pdf_text import flowing
from app.reports.forms import letterhead
from app.reports.forms.citation import named_as_stored
from app.reports.forms.letterhead import POLICE, Letterhead
from app.reports.papers.annexes import BLANK_NUMBER
from app.reports.papers.carrier_paper import DRAFT
from app.reports.papers.model import (
    Block,
    PaperDocument,
    PaperHead,
    Paragraph,
    Section,
    Signature,
    Style,
    Title,
)
from carriers import text as sms

TITLES = {"tuyen_truyen": "Thông tin tuyên truyền", "canh_bao_khan": "Cảnh báo khẩn"}
VERIFY = "Kiểm tra tin nhắn thật hay giả tại:"
SOURCE = "Nguồn:"
APPROVED = "Nội dung được phê duyệt ngày"
DIGEST = "Mã phê duyệt:"
# The SMS forms
SMS_TITLE = "NỘI DUNG TIN NHẮN SMS"
PLAIN, ACCENTED = "Không dấu", "Có dấu"
SENT, PARTS, PART = "dạng được gửi", "bản tin", "Phần"
# Poster
SCAN = "Quét mã để kiểm tra tin nhắn thật hay giả"
# Official letter
LETTER_SUBJECT = "đăng tải, phát thông tin tuyên truyền"
LETTER_TO = "Các cơ quan, đơn vị, địa phương"
LETTER_ASK = (
    "đề nghị các cơ quan, đơn vị, địa phương đăng tải, niêm yết và phát nguyên văn nội dung dưới đây; không "
    "thêm, bớt, sửa chữ hoặc dấu."
)
LETTER_UNDER = "Theo"
LETTER_REPORT = (
    "Sau khi đăng tải, đề nghị cơ quan, đơn vị báo địa chỉ trang đã đăng và kết quả thực hiện để tổng hợp."
)


MANIFEST = "manifest.json"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def file_name(campaign_id: int) -> str:
    return f"loa-campaign-{campaign_id}-kit.zip"


def build(source: KitSource) -> bytes:
    """Return the zip: its files by name, then the manifest with the SHA-256 of each and the digest."""
    found = dict(sorted(_files(source)))
    found[MANIFEST] = json.dumps(_manifest(source, found), ensure_ascii=False, indent=2).encode() + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in found.items():
            packed.writestr(zipfile.ZipInfo(name, _LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _files(source: KitSource) -> Iterator[tuple[str, bytes]]:
    for form in sms_forms(source):
        yield form.file, form.text.encode()
    yield "sms.txt", sms_sheet(source).encode()
    yield "trang-web.html", _page(source).encode()
    yield "ap-phich.pdf", _poster(source)
    yield "cong-van.docx", PAPERS[Format.DOCX](_letter(source))


def _manifest(source: KitSource, files: dict[str, bytes]) -> dict[str, Any]:
    return {
        "campaign_id": source.campaign_id,
        "digest": source.digest,
        "approved_at": source.approved_at.isoformat(timespec="seconds"),
        "sms": [
            {"file": form.file, "sent": form.sent, "segments": sms.segments(form.text)}
            for form in sms_forms(source)
        ],
        "files": [
            {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        ],
    }


# ---- What a kit is made of: the approved text and what surrounds it on papers, nothing else


@dataclass(frozen=True, slots=True)
class KitSource:
    """An approved campaign. sent: text as sent by SMS; original: with its diacritics.

    verify: the address of the public check, "" without a public host; directive: number and ISO date in
    brackets, or None.
    """

    campaign_id: int
    purpose: str
    sent: str
    original: str
    digest: str
    approved_at: datetime
    directive: str | None
    head: Letterhead
    verify: str


def read(connection: Connection, campaign_id: int, settings: Settings) -> KitSource:
    """Return what is approved. Raises NotFound, and Conflict for a campaign that is not as approved."""
    campaign = optimistic_lock.campaign(connection, campaign_id)
    decision = approval.require_approved(connection, campaign)
    approved_at = clock.moment(decision.at)
    hosts = settings.public_hosts
    return KitSource(
        campaign_id=campaign_id,
        purpose=campaign.purpose,
        sent=campaign.texts[""],
        original=_original(connection, campaign, decision.digest),
        digest=decision.digest,
        approved_at=approved_at,
        directive=_directive(connection, campaign.directive_id),
        head=letterhead.load(settings.letterheads).of(POLICE, approved_at.date()),
        verify=f"https://{hosts[0]}/verify" if hosts else "",
    )


def _original(connection: Connection, campaign: Record, signed: str) -> str:
    """Return the text with its diacritics: as signed, or of messages/ if only its diacritics were dropped."""
    sent: str = campaign.texts[""]
    if sms.unaccent(sent) != sent:
        return sent
    if campaign.wording is not None and digest(connection, campaign, signed) == signed:
        return _same(campaign.wording, sent)
    known = {each.key: texts.with_sender(each.accented, campaign.sender) for each in texts.all_texts()}.get(
        campaign.text_key or ""
    )
    return known if known is not None and sms.unaccent(known) == sent else sent


def _same(original: str, sent: str) -> str:
    if sms.unaccent(original) != sent:
        raise Conflict("The text with diacritics differs from the text to be sent. Edit the campaign.")
    return original


def _directive(connection: Connection, directive_id: int | None) -> str | None:
    letter = connection.execute(select(directives).where(directives.c.id == directive_id)).first()
    return f"{letter.number} ({letter.issued_on})" if letter else None


# ---- The forms of the SMS


@dataclass(frozen=True, slots=True)
class SmsForm:
    """One form of the text. sent: the campaign's own form."""

    key: str
    name: str
    text: str
    sent: bool

    @property
    def file(self) -> str:
        return f"sms-{self.key}.txt"


def _title(source: KitSource) -> str:
    return TITLES[source.purpose]


def _day(at: datetime) -> str:
    return f"{clock.local(at):%d/%m/%Y}"


def sms_forms(source: KitSource) -> list[SmsForm]:
    """Return the text without and with its diacritics."""
    plain = sms.unaccent(source.original)
    forms = [SmsForm("khong-dau", PLAIN, plain, plain == source.sent)]
    if source.original != plain:
        forms.append(SmsForm("co-dau", ACCENTED, source.original, source.original == source.sent))
    return forms


def sms_sheet(source: KitSource) -> str:
    """List each form with its SMS parts."""
    approved = f"{APPROVED} {_day(source.approved_at)}"
    lines = [SMS_TITLE, approved, f"{DIGEST} {source.digest}"]
    for form in sms_forms(source):
        cut = sms.split(form.text).parts
        sent = f" ({SENT})" if form.sent else ""
        lines += ["", f"{form.name}{sent}: {len(cut)} {PARTS}", form.text]
        lines += [f"{PART} {n}/{len(cut)}: {part}" for n, part in enumerate(cut, 1) if len(cut) > 1]
    return "\n".join(lines) + "\n"


# ---- The page to publish: one HTML file without scripts, pictures, styles or fonts from anywhere else


def _page(source: KitSource) -> str:
    """Return the file; its `article` alone can be put into another page too."""
    link = escape(source.verify)
    check = f'<p>{escape(VERIFY)} <a href="{link}" rel="noopener">{link}</a></p>\n' if link else ""
    return _template().substitute(
        title=escape(_title(source)),
        agency=escape(source.head.name),
        text="<br>\n".join(escape(line) for line in source.original.splitlines()),
        check=check,
        source=escape(SOURCE),
        approved=escape(APPROVED),
        day=_day(source.approved_at),
        digest_name=escape(DIGEST),
        digest=source.digest,
    )


@cache
def _template() -> Template:
    return Template((files("app") / "data" / "published_page.html").read_text("utf-8"))


# ---- The poster: one A4 page as PDF/A, with a QR code of the page where a message is checked


def _poster(source: KitSource) -> bytes:
    """Render to bytes, deterministically: the file's time is that of the approval."""
    import typst  # where a paper is written, not when a process starts

    with tempfile.TemporaryDirectory(prefix="loa-poster-") as name, as_file(files("app") / "data") as data:
        folder = Path(name)
        (folder / "poster.json").write_text(json.dumps(_said(source)), "utf-8")
        if source.verify:
            (folder / "qr.png").write_bytes(_qr(source.verify))
        return typst.compile(
            Path(shutil.copy(data / "poster.typ", folder)),
            font_paths=[data / "fonts"],
            ignore_system_fonts=True,
            pdf_standards=["a-2a", "ua-1"],
            timestamp=clock.to_ms(source.approved_at) // 1000,
        )


def _said(source: KitSource) -> dict[str, object]:
    about = (f"{SOURCE} {source.head.name}", f"{APPROVED} {_day(source.approved_at)}")
    return {
        "title": flowing(_title(source)),
        "agency": flowing(source.head.name),
        "text": flowing(source.original),
        "scan": SCAN,
        "address": flowing(source.verify),
        "alt": f"{SCAN}: {source.verify}",
        "about": [flowing(each) for each in (*about, f"{DIGEST} {source.digest}")],
    }


def _qr(address: str) -> bytes:
    import segno

    file = io.BytesIO()
    segno.make_qr(address, error="m", boost_error=False).save(file, kind="png", scale=12, border=4)
    return file.getvalue()


# ---- The official letter to units that publish the text, as a draft to number and sign

_ABOUT = f"V/v {LETTER_SUBJECT}"


def _letter(source: KitSource) -> PaperDocument:
    """Compose the document; number, day and signature are left blank."""
    at = clock.to_ms(source.approved_at)
    return PaperDocument(_ABOUT, source.head.name, DRAFT, at, (Section(tuple(_blocks(source))),))


def _blocks(source: KitSource) -> Iterator[Block]:
    head = source.head
    dated = f"{head.place}, ngày …… tháng …… năm {source.approved_at.year}"
    number = f"Số:{BLANK_NUMBER}/{head.symbol.removeprefix('BC-')}"
    yield PaperHead(head.superior, head.agency, number, dated, _ABOUT)
    yield Title("", "", (), f"Kính gửi: {LETTER_TO}")
    under = f"{LETTER_UNDER} {named_as_stored(source.directive)}, " if source.directive else ""
    yield Paragraph(f"{under}{head.name} {LETTER_ASK}")
    yield Paragraph(source.original, Style.QUOTED)
    if source.verify:
        yield Paragraph(f"{VERIFY} {source.verify}")
    yield Paragraph(LETTER_REPORT)
    yield Paragraph(f"{APPROVED} {_day(source.approved_at)}. {DIGEST} {source.digest}", Style.NOTE)
    yield Signature(head.recipients, head.post, head.signer)

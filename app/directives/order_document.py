"""The order to a carrier that sends to its own subscribers, as a document to edit and sign."""

from __future__ import annotations

from collections.abc import Iterator

from app.campaigns.carrier_orders import (
    BASES,
    CarrierOrder,
    OrderedText,
    areas_in_words,
    moment,
)
from app.core import clock
from app.core.areas import Basis
from app.reports.figures import labels
from app.reports.figures.numbers import count
from app.reports.figures.table_model import CellKind, ReportTable, TableColumn, TableRow
from app.reports.forms.citation import named_as_stored
from app.reports.forms.letterhead import POLICE, Letterhead, Letterheads
from app.reports.papers.annexes import BLANK_NUMBER
from app.reports.papers.carrier_paper import DRAFT
from app.reports.papers.model import (
    Block,
    Heading,
    PaperDocument,
    PaperHead,
    Paragraph,
    Section,
    Signature,
    Style,
    Table,
    Title,
)

_SUBJECT = "nhắn tin tuyên truyền đến thuê bao do doanh nghiệp quản lý"


def compose(order: CarrierOrder, letterheads: Letterheads) -> PaperDocument:
    """Compose the document; number, day and signature are left blank."""
    approved = clock.local(order.approved_at)
    head = letterheads.of(POLICE, approved.date())
    body = (
        *_top(order, head, approved.year),
        *_asked(order),
        *_texts(order),
        *_after(order),
        Signature(head.recipients, head.post, head.signer),
    )
    about = f"V/v {_SUBJECT}"
    return PaperDocument(about, head.name, DRAFT, clock.to_ms(order.approved_at), (Section(body),))


def _top(order: CarrierOrder, head: Letterhead, year: int) -> Iterator[Block]:
    dated = f"{head.place}, ngày …… tháng …… năm {year}"
    number = f"Số:{BLANK_NUMBER}/{head.symbol.removeprefix('BC-')}"
    yield PaperHead(head.superior, head.agency, number, dated, f"V/v {_SUBJECT}")
    yield Title("", "", (), f"Kính gửi: {labels.network(order.carrier)}")
    if order.directive:
        yield Paragraph(
            f"Theo {named_as_stored(order.directive)}, {head.name} đề nghị doanh nghiệp {_SUBJECT} như sau."
        )


def _asked(order: CarrierOrder) -> Iterator[Block]:
    yield Heading(1, "I. NỘI DUNG YÊU CẦU")
    yield Paragraph(
        "Đề nghị doanh nghiệp gửi đúng nội dung tin dưới đây đến thuê bao của mình; không chuyển số thuê bao "
        "cho cơ quan, tổ chức nào; chỉ báo lại số liệu tổng hợp."
    )
    columns = (
        TableColumn("name", "Mục", CellKind.TEXT, 30),
        TableColumn("value", "Nội dung", CellKind.TEXT, 70),
    )
    pairs = (
        ("Chiến dịch", order.campaign),
        ("Tên định danh", order.sender),
        ("Địa bàn", areas_in_words(order)),
        ("Cách xác định địa bàn", BASES[Basis(order.area_basis)]),
        ("Quy mô ước tính", f"{count(order.estimated)} thuê bao"),
        ("Thời gian gửi", f"từ {moment(order.window_start)} đến {moment(order.window_end)}"),
        ("Giờ gửi trong ngày", f"{order.day_starts} – {order.day_ends}"),
        ("Hạn báo cáo", moment(order.report_deadline)),
        ("Phê duyệt lúc", moment(order.approved_at)),
        ("Mã phê duyệt (SHA-256)", order.digest),
    )
    rows = tuple(TableRow(f"row_{n}", pair) for n, pair in enumerate(pairs))
    yield Table(ReportTable("Yêu cầu", "Thông số của đợt gửi", columns, rows), "")


def _texts(order: CarrierOrder) -> Iterator[Block]:
    yield Heading(1, "II. NỘI DUNG TIN NHẮN")
    for text in order.texts:
        yield from _text(text)


def _text(text: OrderedText) -> Iterator[Block]:
    whose = f" ({text.language})" if text.language else ""
    yield Paragraph(f"Nội dung{whose}:")
    yield Paragraph(text.text, Style.QUOTED)
    yield Paragraph(
        f"Số bản tin quy đổi của một tin: {text.segments}. Mã băm SHA-256: {text.sha256}.", Style.NOTE
    )


def _after(order: CarrierOrder) -> Iterator[Block]:
    yield Heading(1, "III. BÁO CÁO KẾT QUẢ")
    yield Paragraph(
        "Doanh nghiệp báo thời điểm bắt đầu, kết thúc và số liệu theo Biểu 1 đến Biểu 4 bằng biểu mẫu kèm "
        "theo; số nào không có biên nhận thì để trống, không ước tính."
    )

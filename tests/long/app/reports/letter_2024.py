"""The directive of 2024 replayed: a carrier by receipts, one that sends itself, one by hand, and others.

Numbers and names of units are invented; the letter's number, dates and deadline are the public ones.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, column, table, update

from app.core.clock import VIETNAM, to_ms
from app.core.states import DeliveryState as S
from app.database import models as m
from app.database.connection import Database
from app.file_import.upload import UploadedFile
from app.reports.figures.addressees import Addressee, AddresseeKind, OutreachChannel, OutreachItem
from app.reports.figures.carrier_statement import FigureSource
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import attachments, external_activity, statement_service, statement_workbook
from app.reports.intake.external_activity import OutreachClaim
from app.reports.intake.schemas import StatementBody
from app.reports.intake.statement_input import Circumstances, PaperClaim
from app.security import kept_rows
from tests.long.app.reports.intake.forms import filled, naive
from tests.long.app.reports.intake.scene import PDF
from tests.long.app.reports.scene import DAY, HOUR, T0, Scene


def at(day: int, month: int = 2, hour: int = 17) -> int:
    """An instant of 2024 in Vietnam, ms since 1970."""
    return to_ms(datetime(2024, month, day, hour, tzinfo=VIETNAM))


DEADLINE, AFTER = at(24), at(27, hour=9)
NAMES = [
    *(
        "Sở Thông tin và Truyền thông",
        "UBND huyện Mai Sơn",
        "UBND huyện Sông Mã",
        "Hội Liên hiệp Phụ nữ tỉnh",
    ),
    *("Báo Sơn La", "Đài PT-TH tỉnh", "Ngân hàng Nhà nước chi nhánh tỉnh"),
    *("VNPT Sơn La", "Viettel Sơn La", "MobiFone Sơn La"),
]
ALL_SENT = {S.DELIVERED: 46, S.UNDELIVERED: 2, S.EXPIRED: 1, S.SUBMITTED: 1}
SUBJECT = "Phối hợp tuyên truyền phòng, chống lừa đảo trên không gian mạng"


def replay(db: Database, folder: Path) -> None:
    """Everything that came until after the deadline, each thing entered on the day on which it came."""
    _sent(db)
    db.write(_letter)
    _viettel(db)
    _mobifone(db, folder)
    db.write(_others)
    db.write(_entered_as_it_came)


def _sent(db: Database) -> None:
    """Run 1 at VNPT over a batch, with receipts; runs 2 and 3 at carriers that send to their own."""
    scene = Scene("finished", name="Phòng lừa đảo trước Tết Giáp Thìn")
    for state, n in ALL_SENT.items():
        for nth in range(n):
            scene.message(state, area=("03646", "04105", None)[nth % 3])
    scene.bad("repeated")
    scene.run(2, "viettel", "finished", started_at=at(5, hour=8), ended_at=at(7, hour=17))
    scene.run(3, "mobifone", "finished", started_at=at(6, hour=8), ended_at=at(6, hour=20))
    for run, estimated in ((2, 650_000), (3, 120_000)):
        scene.add(m.audiences, run_id=run, areas=[], area_basis="dia_chi_dang_ky", estimated=estimated)
    scene.save(db)
    ended = update(m.runs).where(m.runs.c.id == 1).values(ended_at=T0 + HOUR)
    db.write(lambda c: c.execute(ended))


def _letter(c: Connection) -> None:
    values = {"addressees": NAMES, "report_deadline": DEADLINE, "subject": SUBJECT}
    c.execute(update(m.directives).values(issuer="Công an tỉnh Sơn La", **values))
    kept_rows.adopt(c)


def _viettel(db: Database) -> None:
    """By the workbook that Loa hands out, on 22 February."""
    head = db.read(statement_workbook.head, 2)
    handed = statement_workbook.Handed(FigureSource.STATED, received_ms=at(22, hour=9))
    around = Circumstances(at(22, hour=9), correcting=False)
    claim = statement_workbook.read(
        filled(base={**_VIETTEL, **_viettel_areas()}, head=head), head, handed, around
    )
    db.write(statement_service.state, 2, claim, "Viettel Sơn La")


_VIETTEL: dict[tuple[str, str], Any] = {
    ("Chung", "B7"): "125/BC-VTSL",
    ("Chung", "B8"): naive("2024-02-22"),
    ("Chung", "B9"): "máy thuê bao",
    ("Chung", "B10"): naive("2024-02-05T08:00"),
    ("Chung", "B11"): naive("2024-02-07T17:00"),
    ("Chung", "B12"): naive("2024-02-21T17:00"),
    ("Biểu 1", "D4"): 652_000,
    ("Biểu 1", "D6"): 1_500,
    ("Biểu 1", "D8"): 2_500,
    ("Biểu 1", "D12"): 601_234,
    ("Biểu 1", "D13"): 40_000,
    ("Biểu 1", "D16"): 1_296_000,
}


def _viettel_areas() -> dict[tuple[str, str], int]:
    """Form 2: twelve districts of 54,000 each, and 4,000 subscribers of whom nobody knows where they are."""
    rows = [(54_000, 54_000, 51_234, 2_700), *[(54_000, 54_000, 50_000, 3_860)] * 5]
    rows += [(54_000, 54_000, 50_000, 3_000)] * 6 + [(4_000, 0, 0, 0)]
    return {
        ("Biểu 2", f"{letter}{row}"): n
        for row, values in enumerate(rows, 4)
        for letter, n in zip("DEFG", values, strict=True)
    }


def _mobifone(db: Database, folder: Path) -> None:
    """From a paper, entered by hand with its scan, on 23 February; it says no receipts."""
    scan = folder / "bao-cao-mobifone.pdf"
    scan.write_bytes(PDF)
    sha256 = hashlib.sha256(PDF).hexdigest()
    db.write(attachments.keep, scan, UploadedFile(scan.name, sha256, len(PDF)), "officer")
    general = {"eligible": 121_000, "sent": 119_000, "segments": 238_000}
    body = {"kind": "manual", "level": "none", "general": general, "attachment": sha256}
    body |= {"number": "41/BC-MBF-SLA", "dated_on": "2024-02-23", "cutoff_at": "2024-02-22T17:00:00+07:00"}
    body |= {"began_at": "2024-02-06T08:00:00+07:00", "ended_at": "2024-02-06T20:00:00+07:00"}
    body |= {"received_at": "2024-02-23T15:00:00+07:00"}
    claim = StatementBody.model_validate(body).claim(EntrySource.API)
    db.write(statement_service.state, 3, claim, "officer")


_REPORTED = (
    (0, at(20), OutreachItem(OutreachChannel.WEBSITE, 14, 25_000, url="https://example.vn/canh-bao")),
    (1, at(21), OutreachItem(OutreachChannel.LOUDSPEAKER, 310, 96_500, 1_240, "phổ thông, Thái, Mông")),
    (3, at(22), OutreachItem(OutreachChannel.MEETING, 122, 7_420)),
    (4, at(19), OutreachItem(OutreachChannel.PRINT, 9)),
    (5, at(23), OutreachItem(OutreachChannel.RADIO, 24, None, 180, "phổ thông, Thái")),
    (6, at(26), OutreachItem(OutreachChannel.COUNTER, 38, 11_300)),  # two days late
)


def _others(c: Connection) -> None:
    """Six of the seven other addressees; UBND huyện Sông Mã never reports."""
    email = "van-phong@songma.example"
    external_activity.register(
        c, Addressee(None, 1, NAMES[2], AddresseeKind.LOCALITY, None, email), "officer"
    )
    for nth, came, item in _REPORTED:
        paper = PaperClaim(EntrySource.API, f"{10 + nth}/BC", None, came)
        items = (
            (item,)
            if nth != 5
            else (item, replace(item, channel=OutreachChannel.TELEVISION, pieces=6, minutes=90))
        )
        external_activity.report(c, 1, OutreachClaim(NAMES[nth], items, paper), "officer")


def _entered_as_it_came(c: Connection) -> None:
    """As if each paper had been put in on the day on which it came."""
    for name in ("statements", "outreach"):
        papers = table(name, column("at"), column("received_at"))
        c.execute(update(papers).values(at=papers.c.received_at))
    c.execute(update(m.campaigns).values(created_at=T0 - DAY))

"""A directive with five carriers of five kinds and fifteen other addressees, reported in three versions.

Viettel: receipts of telephones; MobiFone: of the centre; Vietnamobile: of telephones, none reached; VNPT
sends itself and states; Gmobile: by hand with a scan. Names of units and all numbers are invented.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, column, table, update

from app.core import areas
from app.core.clock import VIETNAM, from_ms, local, to_ms
from app.core.states import DeliveryState as S
from app.database import models as m
from app.database.connection import Database
from app.file_import.upload import UploadedFile
from app.reports.counting import consolidated
from app.reports.counting.consolidated import ConsolidatedReport
from app.reports.export.formats import tables_of
from app.reports.figures.addressees import OutreachChannel, OutreachItem
from app.reports.figures.document_meta import EntrySource
from app.reports.figures.table_model import ReportTable
from app.reports.intake import attachments, external_activity, statement_service
from app.reports.intake.external_activity import OutreachClaim
from app.reports.intake.schemas import StatementBody
from app.reports.intake.statement_input import PaperClaim
from app.reports.release.freeze import of_run
from tests.long.app.reports.intake.scene import PDF
from tests.long.app.reports.scene import HOUR, Scene


def at(day: int, hour: int = 17) -> int:
    """An instant of November 2025 in Vietnam, ms since 1970."""
    return to_ms(datetime(2025, 11, day, hour, tzinfo=VIETNAM))


BEGAN, DEADLINE = at(3, 8), at(20)
FIRST, SECOND, THIRD = at(14), at(21), at(24)
CARRIERS = ("Viettel Sơn La", "Viễn thông Sơn La", "Mobiphone Sơn La", "Vietnamobile", "Gmobile")
OTHERS = (
    *("Sở Khoa học và Công nghệ", "Sở Giáo dục và Đào tạo", "Ban Dân tộc và Tôn giáo tỉnh"),
    *("UBND phường Tô Hiệu", "UBND xã Mường La", "UBND xã Sông Mã", "UBND xã Mộc Châu", "UBND xã Yên Châu"),
    *("Hội Liên hiệp Phụ nữ tỉnh", "Tỉnh đoàn Sơn La"),
    *("Báo và Phát thanh, truyền hình tỉnh", "Cổng thông tin điện tử tỉnh"),
    *("Ngân hàng Nhà nước Khu vực 3", "Agribank chi nhánh tỉnh", "Các ngân hàng chi nhánh khác"),
)
KINDS = (
    *((OutreachChannel.WEBSITE, 14), (OutreachChannel.MEETING, 96), (OutreachChannel.NOTICE, 4)),
    *((OutreachChannel.LOUDSPEAKER, 310), (OutreachChannel.LOUDSPEAKER, 122), (OutreachChannel.PRINT, 45)),
    *((OutreachChannel.MEETING, 18), (OutreachChannel.LOUDSPEAKER, 75), (OutreachChannel.MEETING, 60)),
    *((OutreachChannel.SOCIAL, 33), (OutreachChannel.TELEVISION, 12), (OutreachChannel.WEBSITE, 21)),
    (OutreachChannel.COUNTER, 38),
)


def first_report(template: Path, folder: Path) -> ConsolidatedReport:
    """Form B of version 1, in a database of its own that a test does not see."""
    shutil.copy(template, folder / "loa.sqlite3")
    with closing(Database(f"sqlite:///{folder / 'loa.sqlite3'}")) as db:
        directive(db, folder)
        return db.read(consolidated.build, 1, FIRST)


def forms_of(template: Path, folder: Path) -> dict[str, tuple[tuple[ReportTable, ...], int]]:
    """Tables and cut-off of form B ("directive") and of each run's report, by its number."""
    shutil.copy(template, folder / "loa.sqlite3")
    with closing(Database(f"sqlite:///{folder / 'loa.sqlite3'}")) as db:
        directive(db, folder)
        found = {"directive": (tables_of(db.read(consolidated.build, 1, FIRST)), FIRST)}
        for run in range(1, 6):
            found[str(run)] = (tables_of(db.read(of_run, run, FIRST)), FIRST)
        return found


def directive(db: Database, folder: Path, carriers: Sequence[str] = CARRIERS, silent: str = "") -> None:
    """Write all that came until version 1; `later` has what comes until versions 2 and 3.

    carriers: the addressees among them; of those that send themselves, `silent` has not reported.
    """
    held = {"Viễn thông Sơn La": (4, "vnpt", 1_300_000), "Gmobile": (5, "gmobile", 20_000)}
    _sent(db, carriers, [run for name, run in held.items() if name in carriers])
    if "Viễn thông Sơn La" in set(carriers) - {silent}:
        _state(db, 4, _vnpt(1_234_567), at(10))
    if "Gmobile" in set(carriers) - {silent}:
        _state(db, 5, _gmobile(db, folder), at(12))
    db.write(_others)
    db.write(_entered_as_it_came)


def later(db: Database, version: int) -> None:
    """A correction of VNPT makes version 2, five receipts of Viettel version 3."""
    if version == 2:
        reason = "Bổ sung số liệu của các thuê bao trả trước còn thiếu trong báo cáo lần đầu."
        _state(db, 4, _vnpt(1_250_001) | {"reason": reason, "number": "131/BC-VNPT-SLA"}, at(20, 9))
        db.write(_entered_as_it_came)
        return
    _state(db, 4, _vnpt(1_250_001, failed=31_000) | {"reason": "Đính chính số không nhận được."}, at(23, 9))
    db.write(_entered_as_it_came)


def communes() -> list[str]:
    return [area.code for area in areas.reported(local(from_ms(BEGAN)).date())]


def _sent(db: Database, carriers: Sequence[str], held: Sequence[tuple[int, str, int]]) -> None:
    scene = Scene("finished", name="Phòng cháy, chữa cháy rừng mùa khô")
    scene.rows[m.directives][0].update(
        number="306/KH-UBND",
        issued_on="2025-10-27",
        issuer="UBND tỉnh Sơn La",
        subject="V/v tuyên truyền phòng cháy, chữa cháy rừng mùa khô 2025 - 2026",
        addressees=[*OTHERS, *carriers],
        report_deadline=DEADLINE,
        created_at=BEGAN - HOUR,
    )
    span = {"started_at": BEGAN, "ended_at": BEGAN + 3 * HOUR}
    for row in (scene.rows[m.runs][0], scene.rows[m.links][0]):
        row["carrier"] = "viettel"
    said = {"level_source": "Công văn số 88/VTSL-KT", "level_source_on": "2025-10-30"}
    scene.rows[m.links][0].update(said)
    scene.rows[m.runs][0].update(span)
    scene.run(2, "mobifone", "finished", level=1, **span)
    scene.run(3, "vietnamobile", "finished", level=2, **span)
    for run, carrier, estimated in held:
        scene.run(run, carrier, "finished", **span)
        scene.add(m.audiences, run_id=run, areas=[], area_basis="dia_chi_dang_ky", estimated=estimated)
    scene.batch(2, run=2)
    scene.batch(3, run=3)
    _messages(scene)
    scene.save(db)


def _messages(scene: Scene) -> None:
    for nth, code in enumerate(communes()[:70]):
        sent = BEGAN + nth * 60_000
        when = {"submitted_at": sent, "done_at": sent + 30_000}
        for state in (S.DELIVERED, S.DELIVERED, S.EXPIRED, S.SUBMITTED)[: 1 + nth % 4]:
            scene.message(state, area=code, **when)
        scene.message(S.RELAYED, batch=2, area=code, **when)
        if nth < 20:
            scene.message(S.SUBMITTED, batch=3, area=code, submitted_at=sent)
    scene.message(S.DELIVERED, area=None, submitted_at=BEGAN, done_at=BEGAN + HOUR)
    for reason in ("repeated", "fixed_line"):
        scene.bad(reason)


def _vnpt(eligible: int, failed: int = 30_000) -> dict[str, Any]:
    """Forms 1 to 4 over all communes, the first of which has what does not divide."""
    codes = communes()
    each = eligible // len(codes)
    rows = [
        {"code": code, "eligible": each, "sent": each, "received": each - 900, "failed": 400}
        for code in codes
    ]
    rows[0]["eligible"] = rows[0]["sent"] = eligible - each * (len(codes) - 1)
    rows[0]["received"] = rows[0]["sent"] - 500 - (failed - 30_000)
    rows[0]["failed"] = failed - 400 * (len(codes) - 1)
    general = {name: sum(row[name] for row in rows) for name in ("eligible", "sent", "received", "failed")}
    return {
        "level": "handset",
        "began_at": "2025-11-03T08:00:00+07:00",
        "ended_at": "2025-11-05T17:00:00+07:00",
        "cutoff_at": "2025-11-09T17:00:00+07:00",
        "number": "128/BC-VNPT-SLA",
        "dated_on": "2025-11-10",
        "general": general | {"segments": 2 * general["sent"]},
        "areas": rows,
        "days": [{"day": "2025-11-04", "hours": "08:00-17:00", "sent": general["sent"]}],
        "reasons": [{"key": "expired", "n": failed}],
        "note": "Có 12 phản ánh hỏi về nội dung tin.",
    }


def _gmobile(db: Database, folder: Path) -> dict[str, Any]:
    scan = folder / "bao-cao-gmobile.pdf"
    scan.write_bytes(PDF)
    sha256 = hashlib.sha256(PDF).hexdigest()
    db.write(attachments.keep, scan, UploadedFile(scan.name, sha256, len(PDF)), "officer")
    general = {"eligible": 18_210, "sent": 18_000, "segments": 36_000}
    times = {"began_at": "2025-11-04T08:00:00+07:00", "ended_at": "2025-11-04T20:00:00+07:00"}
    paper = {"number": "41/BC-GTEL", "dated_on": "2025-11-11", "cutoff_at": "2025-11-10T17:00:00+07:00"}
    return {"kind": "manual", "level": "none", "general": general, "attachment": sha256, **times, **paper}


def _state(db: Database, run: int, said: dict[str, Any], received: int) -> None:
    body = said | {"received_at": local(from_ms(received)).isoformat()}
    claim = StatementBody.model_validate(body).claim(EntrySource.API)
    db.write(statement_service.state, run, claim, "officer")


def _others(c: Connection) -> None:
    """Thirteen of fifteen report, the last of them late."""
    for nth, (name, (channel, pieces)) in enumerate(zip(OTHERS, KINDS, strict=False)):
        item = OutreachItem(channel, pieces, 1_000 * (nth + 1), 30 * nth or None, "phổ thông, Thái, Mông")
        paper = PaperClaim(EntrySource.API, f"{10 + nth}/BC", None, at(13, 9))
        external_activity.report(c, 1, OutreachClaim(name, (item,), paper), "officer")


def _entered_as_it_came(c: Connection) -> None:
    """As if each paper had been put in on the day on which it came."""
    for name in ("statements", "outreach"):
        papers = table(name, column("at"), column("received_at"))
        c.execute(update(papers).values(at=papers.c.received_at))
    c.execute(update(m.campaigns).values(created_at=BEGAN - HOUR))

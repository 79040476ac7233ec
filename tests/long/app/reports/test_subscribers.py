"""Five carriers and a follow-up: every share by subscriber equals SQL of its own, and none falls."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy import insert, text, update

from app.core import clock
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import audiences, directives, links, runs
from app.ledger.ledger import ledger_for
from app.reports.counting import consolidated
from app.reports.counting.consolidated import ConsolidatedReport, ConsolidationTerms
from app.reports.export.formats import Format, prepare, render
from app.reports.figures.addressees import OutreachChannel, OutreachItem
from app.reports.figures.document_meta import EntrySource
from app.reports.figures.numbers import count, percent
from app.reports.figures.table_model import ReportTable, value
from app.reports.figures.version import PREVIEW
from app.reports.forms import comparison_tables, directive_areas, letterhead, subscriber_tables
from app.reports.forms.letterhead import Letterheads
from app.reports.frozen import archive
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.intake import external_activity, statement_service
from app.reports.intake.external_activity import OutreachClaim
from app.reports.intake.schemas import StatementBody
from app.reports.intake.statement_input import PaperClaim
from app.reports.papers import consolidated_paper
from app.reports.papers.model import Paragraph
from app.reports.release.freeze import Freezer
from app.reports.release.verify_archive import prove
from tests.app.campaigns import past
from tests.app.campaigns.past import D, sent
from tests.app.campaigns.rows import DRAFT
from tests.long.app.reports.five_carriers import OTHERS, communes

LETTER = {"number": "306/KH-UBND", "issued_on": "2025-10-27", "issuer": "UBND tỉnh Sơn La"}
LETTER_DAY = date(2026, 1, 1)
LETTER |= {"subject": "V/v tuyên truyền phòng, chống lừa đảo trên không gian mạng", "created_by": "lan"}
BASIS = "Chỉ thị số 21/CT-TTg ngày 25/5/2020"
COMMUNES = communes()[:71]  # four have nobody in any list
VNPT = {"eligible": 350_000, "excluded": 1_600, "sent": 348_400, "received": 340_000, "failed": 8_400}
# By the SQL of the ledger's rows alone: the first run that was to write to each number, and whether any
# message reached it (7) or came as far as the centre (6).
ONCE = """
WITH mine AS (
    SELECT d.phone, d.run_id, d.area, d.state, r.carrier FROM deliveries d
    JOIN runs r ON r.id = d.run_id JOIN campaigns c ON c.id = d.campaign_id
    WHERE c.directive_id = :letter AND NOT (d.state = 8 AND d.reason IN (24, 25))
)
SELECT m.carrier, m.area, COUNT(*) AS addressed,
    SUM(CASE WHEN EXISTS (SELECT 1 FROM mine x WHERE x.phone = m.phone AND x.state = 7) THEN 1 ELSE 0 END),
    SUM(CASE WHEN EXISTS (SELECT 1 FROM mine x WHERE x.phone = m.phone AND x.state IN (6, 7))
        THEN 1 ELSE 0 END)
FROM mine m WHERE NOT EXISTS (SELECT 1 FROM mine y WHERE y.phone = m.phone AND y.run_id < m.run_id)
GROUP BY m.carrier, m.area
"""


def outcomes(first: int, n: int, *states: DeliveryState) -> dict[int, DeliveryState]:
    """Numbers from `first` on, whose outcomes repeat."""
    return {first + nth: states[nth % len(states)] for nth in range(n)}


@pytest.fixture
def letter(db: Database) -> int:
    row = LETTER | {"addressees": [*OTHERS, "Gmobile"], "created_at": 1, "legal_basis": BASIS}
    made = insert(directives).values(row).returning(directives.c.id)
    return int(db.write(lambda c: c.execute(made).scalar_one()))


def first_round(db: Database, letter: int) -> int:
    """Viettel (handset), MobiFone (centre), Vietnamobile (nobody reached) and VNPT, which sends itself."""
    of = replace(DRAFT, directive_id=letter)
    good = (D.DELIVERED,) * 5 + (D.UNDELIVERED, D.DELIVERED, D.EXPIRED, D.DELIVERED, D.SUBMITTED)
    campaign = sent(db, outcomes(0, 600, *good), "viettel", draft=of, areas=COMMUNES)
    past.link(db, "mobifone")
    db.write(lambda c: c.execute(update(links).where(links.c.carrier == "mobifone").values(receipt_level=1)))
    sent(db, outcomes(1000, 200, D.RELAYED, D.RELAYED, D.REJECTED), "mobifone", areas=COMMUNES, into=campaign)
    sent(db, outcomes(2000, 15, D.UNDELIVERED), "vietnamobile", areas=COMMUNES, into=campaign)
    held = {"campaign_id": campaign, "carrier": "vnpt", "state": "finished", "created_at": 1}

    held |= {"started_at": 1, "ended_at": 2}

    def state(c: Any) -> None:
        run = c.execute(insert(runs).values(held).returning(runs.c.id)).scalar_one()
        own = {"run_id": run, "areas": [], "area_basis": "dia_chi_dang_ky", "estimated": 350_000}
        c.execute(insert(audiences).values(own))
        times = dict.fromkeys(("began_at", "ended_at", "cutoff_at"), clock.now())
        body = {"kind": "stated", "level": "operator", **times}
        claim = StatementBody.model_validate(body | {"general": VNPT | {"no_receipt": 0}})
        statement_service.state(c, run, claim.claim(EntrySource.API), "vnpt", "vnpt")

    db.write(state)
    return campaign


def follow_up(db: Database, campaign: int) -> int:
    """Write again to those not reached: of three at Viettel two are reached, of Vietnamobile nobody."""
    again = past.follow(db, campaign)
    past.begin(db, again)
    for n in past.in_state(db, again, D.QUEUED):
        reached = n < 1000 and n % 3
        past.change(db, again, n, D.DELIVERED if reached else D.UNDELIVERED)
    ended = {"state": "finished", "started_at": 3, "ended_at": 4}
    db.write(lambda c: c.execute(update(runs).where(runs.c.campaign_id == again).values(ended)))
    return again


def built(db: Database, letter: int) -> ConsolidatedReport:
    return db.read(consolidated.build, letter, db.read(ledger_for(db).now_ms))


Counts = dict[tuple[str, str | None], tuple[int, int, int]]


def by_sql(db: Database, letter: int) -> Counts:
    rows = db.read(lambda c: c.execute(text(ONCE), {"letter": letter}).all())
    return {(row[0], row[1]): (int(row[2]), int(row[3]), int(row[4])) for row in rows}


def summed(counts: Counts, *carriers: str, area: str | None = "") -> tuple[int, int, int]:
    own = [n for key, n in counts.items() if key[0] in carriers and area in ("", key[1])]
    return tuple(map(sum, zip(*own, strict=True))) if own else (0, 0, 0)  # type: ignore[return-value]


def cells(form: ReportTable) -> Iterator[Mapping[str, Any]]:
    keys = [column.key for column in form.columns]
    return (dict(zip(keys, map(value, row.cells), strict=True)) for row in form.rows)


def shares(form: ReportTable) -> dict[str, Fraction]:
    every = {row["code"]: row for row in cells(form) if row["code"]}
    return {
        code: Fraction(row["measured_reached"], row["measured_addressed"])
        for code, row in every.items()
        if isinstance(row["measured_addressed"], int)
    }


def page_of(report: ConsolidatedReport) -> str:
    content = render(report, Format.SUMMARY, letterhead.load(None)).content
    (page,) = PdfReader(io.BytesIO(content)).pages
    return re.sub(r"\s+", " ", page.extract_text())


def agrees(report: ConsolidatedReport, counts: Counts) -> None:
    """Compare every place that tells a share by subscriber with the SQL."""
    handset, centre = ("viettel", "vietnamobile"), ("mobifone",)
    addressed, reached, _ = summed(counts, *handset)
    lead = f"Máy thuê bao xác nhận đã nhận: {count(reached)}/{count(addressed)} thuê bao"
    lead += f" ({percent(reached / addressed)})"
    assert next(iter(subscriber_tables.reached(report))) == lead
    assert lead.replace("\u00a0", " ") in page_of(report)
    rows = {row["name"].split(" (")[0]: row for row in cells(subscriber_tables.table(report))}
    for carrier, name in (("viettel", "Viettel"), ("vietnamobile", "Vietnamobile"), ("mobifone", "MobiFone")):
        whole, *own = summed(counts, carrier)
        n = own[carrier in centre]
        assert (rows[name]["addressed"], rows[name]["confirmed"]) == (whole, n)
        assert rows[name]["ratio"] == n / whole
    form_6 = {row["code"]: row for row in cells(directive_areas.of_directive(report)) if row["code"]}
    for code in {area for _, area in counts if area}:
        whole, n, _ = summed(counts, *handset, area=code)
        assert (form_6[code]["measured_addressed"], form_6[code]["measured_reached"]) == (whole, n)
        assert form_6[code]["measured_ratio"] == n / whole
        whole, _, n = summed(counts, *centre, area=code)
        assert (form_6[code]["measured_addressed_else"], form_6[code]["measured_taken"]) in (
            (whole, n),
            ("–", "–"),
        )
    form_5 = comparison_tables.of_directive(report)[0]
    for row, own in zip(form_5.rows, cells(form_5), strict=True):
        if row.key == "once_2":
            assert (own["eligible"], own["delivered"]) == (addressed, reached)
            assert own["delivered_ratio"] == reached / addressed
        elif row.key == "total_measured" and any(line.follow_up for line in report.lines):
            assert (own["eligible"], own["failed"], own["delivered_ratio"]) == ("–", "–", None)
    kept = prepare(report).document["unique_reach"]["subscribers"]
    said = {
        (each["carrier"], a["code"]): (a["addressed"], a["reached"]) for each in kept for a in each["areas"]
    }
    assert said == {key: (whole, n) for key, (whole, n, _) in counts.items()}


def test_each_share_by_subscriber_is_that_of_the_sql_and_a_follow_up_lowers_none(
    db: Database, letter: int
) -> None:
    campaign = first_round(db, letter)
    before = built(db, letter)
    agrees(before, by_sql(db, letter))
    follow_up(db, campaign)
    after = built(db, letter)
    agrees(after, by_sql(db, letter))
    then, now = (shares(directive_areas.of_directive(each)) for each in (before, after))
    assert then.keys() == now.keys()
    assert all(now[code] >= share for code, share in then.items())
    assert any(now[code] > share for code, share in then.items())


def test_rows_of_a_follow_up_say_so_and_no_carrier_is_named_twice(db: Database, letter: int) -> None:
    follow_up(db, first_round(db, letter))
    report = built(db, letter)
    names = [row["name"] for row in cells(comparison_tables.of_directive(report)[0])]
    assert {"Vietnamobile", "Vietnamobile (gửi tiếp)", "Viettel (gửi tiếp)"} <= set(names)
    said = subscriber_tables.unproved(report)
    assert said.count("Vietnamobile (15 thuê bao)") == 1
    page = page_of(report)
    assert "Địa bàn không có thuê bao trong danh sách nào" in page
    assert [line.name for line in subscriber_tables.of_directive(report)] == [
        "Vietnamobile",
        "Viettel",
        "MobiFone",
        "VNPT VinaPhone",
    ]


def test_versions_before_and_after_a_follow_up_are_verified(db: Database, letter: int) -> None:
    freezer = Freezer(db, ledger_for(db), Letterheads(()), "boss")
    subject = ReportSubject(SubjectKind.DIRECTIVE, letter)
    campaign = first_round(db, letter)
    first, _ = freezer.freeze(subject)
    follow_up(db, campaign)
    second, new = freezer.freeze(subject)
    assert new
    for report in (first, second):
        assert prove(db, db.read(archive.get, report.id)).sentences == ()


def test_the_legal_basis_of_the_letter_is_printed_and_what_nobody_states_is_no_zero(
    db: Database, letter: int
) -> None:
    first_round(db, letter)
    item = OutreachItem(OutreachChannel.TELEVISION, 9)
    claim = OutreachClaim(OTHERS[0], (item,), PaperClaim(EntrySource.API))
    db.write(external_activity.report, letter, claim, "lan")
    report = built(db, letter)
    head = letterhead.load(None).of("", LETTER_DAY)
    blocks = consolidated_paper.compose(report, head, PREVIEW).blocks
    words = " ".join(block.text for block in blocks if isinstance(block, Paragraph))
    assert f"Thực hiện {BASIS}; " in words
    assert "9 tin, bài, buổi; chưa nêu lượt tiếp cận." in words
    (row,) = cells(comparison_tables.of_directive(report)[1])
    assert (row["pieces"], row["reach"], row["minutes"]) == (9, "…", "…")
    (channel,) = prepare(report).document["channels"]
    assert (channel["reach"], channel["minutes"]) == (None, None)
    before = db.read(consolidated.build, letter, report.cutoff_ms, ConsolidationTerms(rules=5))
    (channel,) = prepare(before).document["channels"]
    assert (channel["reach"], channel["minutes"]) == (0, 0)
    assert "subscribers" not in prepare(before).document["unique_reach"]

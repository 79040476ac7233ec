"""A report with long tables, and reports as files."""

from __future__ import annotations

from app.core import areas, clock
from app.database import models as m
from app.database.connection import Database
from app.reports.counting.carrier_report import build
from app.reports.export.formats import Format, Report, render
from app.reports.figures.figures import CarrierReport
from app.reports.figures.version import PREVIEW, Version
from app.reports.forms import letterhead
from app.reports.release.freeze import FORMATS
from tests.long.app.reports.scene import DAY, S, Scene

HEADS = letterhead.load(None)


def many_areas(db: Database) -> CarrierReport:
    """A run in all communes of today, and of 2024, so that tables go over several pages."""
    scene = Scene("finished")
    today = clock.to_ms(clock.now()) - 10 * DAY
    scene.rows[m.runs][0]["started_at"] = today
    codes = [area.code for area in areas.current(clock.local(clock.from_ms(today)).date())]
    for nth, code in enumerate(codes):
        for state in (S.DELIVERED, S.DELIVERED, S.EXPIRED, S.SUBMITTED)[: 1 + nth % 4]:
            scene.message(state, area=code, submitted_at=today + nth * 60_000, done_at=today + nth * 90_000)
    scene.save(db)
    return db.read(build, 1, clock.now_ms())


def files(report: Report, version: Version = PREVIEW) -> dict[Format, bytes]:
    return {form: render(report, form, HEADS, version).content for form in FORMATS}

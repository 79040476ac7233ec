"""The result report adds up, and says no more than its receipts can carry."""

from __future__ import annotations

from sqlalchemy import delete, insert, update

import pytest

from app import models as m
from app.db import Database
from app.errors import NotFound
from app.reports.carrier_report import build, build_batch, build_campaign
from app.reports.figures import DayRow, Figures, Unbalanced
from app.states import NotSent
from tests.app.reports.scene import DAY, HOUR, T0, S, Scene, varied

CUTOFF = T0 + 3 * DAY


def test_form_1_counts_every_line_of_the_run_once(db: Database) -> None:
    varied(db)
    report = db.read(build, 1, CUTOFF)
    assert report.general == Figures(
        eligible=16,
        excluded=6,
        waiting=0,
        sent=10,
        delivered=3,
        relayed=0,
        failed=4,
        no_receipt=1,
        unknown=2,
        segments=12,
    )
    assert {c.key: c.n for c in report.excluded} == {
        "repeated": 1,
        "fixed_line": 2,
        "too_short": 1,
        "cancelled": 1,
        "repeated_in_campaign": 1,
    }


def test_operator_receipts_are_never_counted_as_handset_receipts(db: Database) -> None:
    varied(db)
    vnpt, viettel = (db.read(build, run, CUTOFF).general for run in (1, 2))
    assert (vnpt.delivered, vnpt.relayed) == (3, 0)
    assert (viettel.delivered, viettel.relayed) == (0, 2)
    assert (viettel.delivered_ratio, viettel.relayed_ratio) == (0.0, 2 / 3)

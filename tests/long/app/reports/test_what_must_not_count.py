"""What must not stand in a figure, a list or a version: each row has a neighbour that a wrong rule counts."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

import pytest
from sqlalchemy import insert

from app.core import clock
from app.core.errors import AppError
from app.core.states import DeliveryState as S
from app.database import models as m
from app.database.connection import Database
from app.database.listing import ListRequest
from app.reports.counting import carrier_report, differences
from app.reports.figures.addressees import (
    Addressee,
    AddresseeKind,
    AddresseeStatus,
    Outreach,
    OutreachChannel,
    OutreachItem,
    totals,
)
from app.reports.frozen import archive
from app.reports.frozen.archive import Frozen
from app.reports.release import earlier_round
from app.reports.release.freeze import Freezer
from app.web.view_models import latency_sample, report_list
from tests.long.app.reports.conftest import Two
from tests.long.app.reports.scene import HOUR, T0, Scene
from tests.long.app.reports.test_earlier_round import earlier


def test_a_receipt_that_left_quarantine_after_the_moment_keeps_a_report_of_it_from_being_made(
    db: Database,
) -> None:
    scene = Scene()
    scene.message(S.DELIVERED)
    scene.rows[m.receipts].clear()
    scene.receipt(scene.message(S.DELIVERED), received_at=T0 + 5000, matched_at=T0 + HOUR)
    scene.save(db)
    with pytest.raises(AppError, match="snapshot"):
        db.read(carrier_report.build, 1, T0 + HOUR // 2)
    assert db.read(carrier_report.build, 1, T0 + 2 * HOUR).general.delivered == 2


def test_an_addressee_with_two_items_of_one_channel_is_one_unit() -> None:
    print_twice = (OutreachItem(OutreachChannel.PRINT, 2), OutreachItem(OutreachChannel.PRINT, 3))
    states = [
        AddresseeStatus(
            Addressee(n, 1, f"Báo {n}", AddresseeKind.PRESS),
            Outreach(f"Báo {n}", print_twice, None),
            clock.now_ms(),
            False,
        )
        for n in (1, 2)
    ]
    (total,) = totals(states)
    assert (total.units, total.pieces) == (2, 10)


def test_a_receipt_that_changed_nothing_is_no_part_of_how_long_receipts_take(db: Database) -> None:
    scene = Scene()
    for _ in range(40):
        message = scene.message(S.DELIVERED)
        scene.receipt(message, received_at=T0 + HOUR, changed=False)
    scene.save(db)
    spread = latency_sample.latency(db.read(latency_sample.sample, 1))
    assert spread is not None
    assert spread.p50_s == spread.p90_s == 5


def test_a_carrier_whose_runs_prove_different_things_has_no_sum_in_an_earlier_round(frozen: Two) -> None:
    freezer, (first, second) = frozen
    number = earlier(freezer, _with_a_run_of_another_level(freezer, first), viettel=246)
    found = freezer.db.read(earlier_round.find, second, number, None)
    assert found is not None
    viettel = next(row for row in found.rows if row.carrier == "Viettel")
    assert viettel.sources[0] == "nhiều nguồn, không cộng"
    assert viettel.sent[0] is None


def _with_a_run_of_another_level(freezer: Freezer, of: Frozen) -> Frozen:
    """The same version with a second run of Viettel, of which the centre's receipts alone are known."""
    figures = json.loads(freezer.db.read(archive.figures, of))
    line = copy.deepcopy(next(each for each in figures["runs"] if each["carrier"] == "viettel"))
    line["run_id"] = 99
    line["measured"]["receipt_level"] = line["receipt_level"] = "operator"
    figures["runs"].append(line)
    text = json.dumps(figures, ensure_ascii=False)
    own = m.frozen_reports.c.id == of.id
    freezer.db.write(
        lambda c: c.execute(m.frozen_reports.update().where(own).values(figures=text, sha256=_sha(text)))
    )
    return freezer.db.read(archive.get, of.id)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_run_s_last_version_is_not_that_of_a_directive_of_the_same_number(db: Database) -> None:
    Scene().save(db)
    common: dict[str, Any] = {"interim": 0, "figures": "{}", "sha256": "0" * 64}
    common |= {"changes": [], "created_at": T0, "created_by": "an"}
    versions = [("directive", 1), ("directive", 2), ("directive", 3), ("run", 1)]
    rows = [
        common | {"kind": kind, "subject_id": 1, "version": version, "cutoff_at": T0 + version}
        for kind, version in versions
    ]
    db.write(lambda c: c.execute(insert(m.frozen_reports), rows))
    (campaign,) = [one for one in db.read(report_list.listed, ListRequest(), 10).items if one.runs]
    assert [(run.id, run.version) for run in campaign.runs] == [(1, 1)]


@pytest.mark.parametrize(
    "judgement",
    ["report_deadline", "sent_in_time", "reported_in_time", "late", "receipt_level", "interim"],
)
def test_a_report_of_which_one_judgement_has_changed_is_another_version(judgement: str) -> None:
    before = {"runs": [{"carrier": "viettel", judgement: None}]}
    after = {"runs": [{"carrier": "viettel", judgement: False}]}
    assert differences.judged_alike(before, before)
    assert not differences.judged_alike(before, after)

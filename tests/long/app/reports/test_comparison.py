"""Rounds, carriers against the norm, and two campaigns on one ground; kinds of figures stand apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.cli import compare_commands
from app.core.errors import NotFound
from app.core.states import DeliveryState as S
from app.database import models as m
from app.database.connection import Database
from app.reports.build import comparison
from app.reports.build.comparison import NormVerdict, judge
from app.reports.figures.carrier_statement import FigureSource
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import statement_service
from app.reports.intake.schemas import StatementBody
from app.security import create_key
from tests.app.cli.test_campaign_commands import Shell
from tests.app.client import Client
from tests.long.app.reports.intake.scene import body
from tests.long.app.reports.scene import DAY, T0, Scene

TODAY = T0 + 600 * DAY  # September 2025: the 75 communes
BIEN, CHIENG_SON, TO_HIEU = "03808", "03985", "03646"


def told(db: Database, run: int, **changes: object) -> None:
    claim = StatementBody.model_validate(body(**changes)).claim(EntrySource.API)
    db.write(statement_service.state, run, claim, "desk")


def two_campaigns(db: Database) -> None:
    """Campaign 1 of January 2024 by communes of then, campaign 2 of 2025 by communes of now, one text."""
    scene = Scene("finished")
    scene.run(2, "viettel", "sent")
    scene.add(m.audiences, run_id=2, areas=[], area_basis="dia_chi_dang_ky", estimated=1000)
    for area in (TO_HIEU, "03649", "04056", None):
        scene.message(S.DELIVERED, area=area)
    scene.message(S.UNDELIVERED, area=CHIENG_SON)
    scene.campaign(2, "Đợt 2")
    scene.rows[m.campaigns][-1]["directive_id"] = 1
    scene.run(3, "vnpt", "finished", campaign=2, started_at=TODAY)
    scene.batch(2, run=3)
    for area in (TO_HIEU, CHIENG_SON, BIEN):
        scene.message(S.DELIVERED, batch=2, area=area, submitted_at=TODAY, done_at=TODAY)
    scene.save(db)
    told(db, 2)


# ---- the norm -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "sent", "received", "waiting", "verdict"),
    [
        (2, 100, 92, 0, NormVerdict.MET),
        (2, 100, 91, 0, NormVerdict.MISSED),
        (2, 100, 91, 1, NormVerdict.OPEN),
        (2, 100, 80, 5, NormVerdict.MISSED),
        (1, 100, 99, 0, NormVerdict.UNPROVED),
        (0, 100, None, 100, NormVerdict.UNPROVED),
        (None, 100, None, 0, NormVerdict.UNPROVED),
        (2, 0, 0, 0, NormVerdict.OPEN),
    ],
)
def test_a_share_is_held_against_the_norm(
    level: int | None, sent: int, received: int | None, waiting: int, verdict: NormVerdict
) -> None:
    assert judge(level, sent, received, waiting) is verdict


def test_carriers_stand_side_by_side_each_with_the_kind_of_its_figures(db: Database) -> None:
    two_campaigns(db)
    found = db.read(comparison.carriers, 1)
    assert [(s.carrier, s.kind, s.level, s.sent, s.received, s.verdict) for s in found.shares] == [
        ("viettel", FigureSource.STATED, "handset", 970, 900, NormVerdict.MET),
        ("vnpt", FigureSource.MEASURED, "handset", 5, 4, NormVerdict.MISSED),
    ]
    assert found.norm_ratio == 0.92


def test_what_is_stated_of_a_measured_run_stands_beside_it(db: Database) -> None:
    two_campaigns(db)
    told(db, 1, areas=[], days=[], reasons=[])
    kinds = [(share.run_id, share.kind) for share in db.read(comparison.carriers, 1).shares]
    assert sorted(kinds) == [(1, FigureSource.MEASURED), (1, FigureSource.STATED), (2, FigureSource.STATED)]


def test_a_carrier_that_has_said_nothing_is_there_without_figures(db: Database) -> None:
    scene = Scene("finished")
    scene.run(2, "viettel", "sent")
    scene.add(m.audiences, run_id=2, areas=[], area_basis="dia_chi_dang_ky", estimated=1000)
    scene.save(db)
    [_, silent] = db.read(comparison.carriers, 1).shares
    assert (silent.kind, silent.received, silent.verdict) == (None, None, NormVerdict.OPEN)


def test_receipts_of_the_centre_prove_no_telephone(db: Database) -> None:
    scene = Scene("finished", level=1)
    for _ in range(3):
        scene.message(S.RELAYED)
    scene.save(db)
    [share] = db.read(comparison.carriers, 1).shares
    assert (share.level, share.received, share.verdict) == ("operator", 3, NormVerdict.UNPROVED)


# ---- rounds ---------------------------------------------------------------------------------------------


def test_rounds_say_the_same_under_the_same_letter(db: Database) -> None:
    two_campaigns(db)
    found = db.read(comparison.rounds, 2)
    assert [(each.nth, each.campaign_id, len(each.shares)) for each in found] == [(1, 1, 2), (2, 2, 1)]
    other = "UPDATE campaigns SET directive_id = NULL WHERE id = 2"
    db.write(lambda c: c.exec_driver_sql(other))
    assert [each.campaign_id for each in db.read(comparison.rounds, 2)] == [2]
    with pytest.raises(NotFound):
        db.read(comparison.rounds, 9)


# ---- areas ----------------------------------------------------------------------------------------------


def test_a_campaign_of_2024_is_reported_by_districts_and_one_of_today_by_communes(db: Database) -> None:
    two_campaigns(db)
    then = db.read(comparison.areas_of, 1)
    assert [(row.code, row.name) for row in then] == [
        ("116", "Thành phố Sơn La"),
        ("123", "Huyện Mộc Châu"),
        ("125", "Huyện Mai Sơn"),
        ("128", "Huyện Vân Hồ"),
        (None, "Không xác định địa bàn"),
    ]
    city = then[0].figures
    assert city.measured is not None
    assert city.stated is not None
    assert (city.measured.delivered, city.stated.sent, city.manual) == (2, 580, None)
    now = db.read(comparison.areas_of, 2)
    assert [(row.code, row.name) for row in now] == [
        (TO_HIEU, "Phường Tô Hiệu"),
        (BIEN, "Xã Mường La"),
        (CHIENG_SON, "Xã Chiềng Sơn"),
    ]


def test_then_and_now_are_compared_by_the_old_districts(db: Database) -> None:
    two_campaigns(db)
    found = db.read(comparison.compare_areas, 1, 2)
    sent = {
        row.code: [each.measured.sent if each.measured else None for each in (row.first, row.second)]
        for row in found.rows
    }
    assert sent == {
        "116": [2, 1],
        "120": [None, 1],
        "123": [1, 1],
        "125": [None, None],
        "128": [1, None],
        None: [1, None],
    }
    assert len(found.footnotes) == 1
    assert "Xã Chiềng Sơn (03985) gồm cả một phần của Huyện Vân Hồ" in found.footnotes[0]
    assert "xếp vào Huyện Mộc Châu" in found.footnotes[0]


def test_campaigns_of_one_time_are_compared_by_its_own_areas(db: Database) -> None:
    two_campaigns(db)
    found = db.read(comparison.compare_areas, 2, 2)
    assert [row.code for row in found.rows] == [TO_HIEU, BIEN, CHIENG_SON]
    assert found.footnotes == []


# ---- over HTTP and on the command line ------------------------------------------------------------------


def test_an_operator_sees_the_own_carrier_only(client: Client, application: FastAPI, db: Database) -> None:
    two_campaigns(db)
    assert len(client.get("/v1/campaigns/1/carriers").json()["shares"]) == 2
    assert len(client.get("/v1/campaigns/1/areas/beside/2").json()["rows"]) == 6
    with Client(application, db.write(create_key, "viettel desk", "operator", "viettel")) as operator:
        shares = operator.get("/v1/campaigns/1/carriers").json()["shares"]
        assert [share["carrier"] for share in shares] == ["viettel"]
        [own] = operator.get("/v1/campaigns/1/rounds").json()
        assert (own["campaign_id"], own["nth"], len(own["shares"])) == (1, 1, 1)
        assert operator.get("/v1/campaigns/2").status_code == 404
        areas = operator.get("/v1/campaigns/1/areas").json()
        assert all(row["figures"]["measured"] is None for row in areas)


def test_comparisons_on_the_command_line(db: Database, database_url: str, tmp_path: Path) -> None:
    two_campaigns(db)
    db.close()
    shell = Shell(database_url, tmp_path)
    assert "1. Phòng, chống lừa đảo (campaign 1)" in shell(compare_commands.app, "rounds", "1")
    told = shell(compare_commands.app, "carriers", "1")
    assert "met" in told
    assert re.search(r"\d+,\d\s%", told)
    assert "Thành phố Sơn La" in shell(compare_commands.app, "areas", "1")
    said = shell(compare_commands.app, "areas", "1", "--beside", "2")
    assert "Huyện Mường La" in said
    assert "Xã Chiềng Sơn (03985)" in said

"""The norm, and a campaign by the areas of its day; kinds of figures stand apart."""

from __future__ import annotations

import pytest

from app.core.states import DeliveryState as S
from app.database import models as m
from app.database.connection import Database
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import statement_service
from app.reports.intake.schemas import StatementBody
from app.web.view_models import norm
from app.web.view_models.norm import NormVerdict, judge
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


# ---- areas ----------------------------------------------------------------------------------------------


def test_a_campaign_of_2024_is_reported_by_districts_and_one_of_today_by_communes(db: Database) -> None:
    two_campaigns(db)
    then = db.read(norm.areas_of, 1)
    assert [(row.code, row.name) for row in then] == [
        ("116", "Thành phố Sơn La"),
        ("123", "Huyện Mộc Châu"),
        ("125", "Huyện Mai Sơn"),
        ("128", "Huyện Vân Hồ"),
        (None, "Không xác định địa bàn"),
    ]
    city = then[0]
    assert city.measured is not None
    assert city.stated is not None
    assert (city.measured.delivered, city.stated.sent, city.manual) == (2, 580, None)
    now = db.read(norm.areas_of, 2)
    assert [(row.code, row.name) for row in now] == [
        (TO_HIEU, "Phường Tô Hiệu"),
        (BIEN, "Xã Mường La"),
        (CHIENG_SON, "Xã Chiềng Sơn"),
    ]

"""Runs whose carrier holds the subscribers: approval, order, start, end, and nothing that ends them early."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import insert, select, update

from app.campaigns import approval, carrier_audience, carrier_orders, lifecycle, queries
from app.campaigns.carrier_audience import Audience
from app.campaigns.forecast import forecast
from app.campaigns.runs import Verb, order
from app.core import clock
from app.core.areas import Basis
from app.core.errors import Conflict, Invalid
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import approvals, audiences, audit, campaigns, runs, statements
from app.dispatch import run_sweeps as sweeps
from app.dispatch.fan_out_job import FanOutJob
from app.dispatch.run_sweeps import close_due
from app.ledger.ledger import ledger_for
from app.reports.figures import carrier_statement
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import statement_service
from app.reports.intake.schemas import StatementBody
from app.security import Caller, create_key
from tests.app.campaigns.rows import DRAFT, new_campaign, new_run
from tests.app.client import Client
from tests.app.world import aside
from tests.engines import sqlite_alone
from tests.exact import exactly
from tests.long.app.reports.intake.scene import body

database_url = sqlite_alone

AUDIENCE = Audience(("116", "125"), Basis.REGISTERED, 350_000)


def held_run(db: Database, audience: Audience = AUDIENCE, **draft: Any) -> tuple[int, int]:
    campaign_id = db.write(new_campaign, replace(DRAFT, **draft))
    return campaign_id, db.write(lifecycle.add_held_run, campaign_id, "vnpt", audience, "author")


def approved(db: Database, **draft: Any) -> int:
    """A held run that may start."""
    campaign_id, run_id = held_run(db, **draft)
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, Caller("approver", "admin"))
    return run_id


def approved_for(db: Database, hours: int) -> int:
    """A held run that may start, approved so many hours ago."""
    run_id = approved(db)
    db.write(lambda c: c.execute(update(approvals).values(at=clock.now_ms() - hours * 3_600_000)))
    return run_id


def sweep(db: Database) -> None:
    ledger = ledger_for(db)
    while asyncio.run(FanOutJob(db, ledger, aside(db)).next()):
        pass
    while asyncio.run(close_due(db, ledger, aside(db))):
        pass
    db.write(sweeps.advance, ledger, clock.DAY_MS)


def state(db: Database, run_id: int) -> str:
    return str(db.read(queries.run, run_id).state)


def stated(db: Database, run_id: int) -> None:
    row = {"run_id": run_id, "version": 1, "kind": "stated", "level": 0, "source": "api", "figures": {}}
    now = clock.now_ms()
    row |= {"cutoff_at": now, "received_at": now, "at": now, "by": "vnpt"}
    db.write(lambda c: c.execute(insert(statements).values(row)))


def test_a_held_run_needs_its_approval(db: Database) -> None:
    _, run_id = held_run(db)
    with pytest.raises(Conflict, match=exactly("The campaign is draft. Runs can start only after approval.")):
        order(db, Verb.START, run_id, "operator")
    with pytest.raises(Conflict, match=exactly("The campaign is draft. Runs can start only after approval.")):
        db.read(carrier_orders.order, run_id)


@pytest.mark.longer
def test_it_stays_running_until_its_operator_says_the_end_and_is_finished_by_its_figures(
    db: Database,
) -> None:
    run_id = approved(db)
    assert order(db, Verb.START, run_id, "operator") == RunState.RUNNING
    sweep(db)
    assert state(db, run_id) == RunState.RUNNING
    assert order(db, Verb.END, run_id, "operator") == RunState.SENT
    assert order(db, Verb.END, run_id, "operator") == RunState.SENT
    sweep(db)
    assert state(db, run_id) == RunState.SENT
    stated(db, run_id)
    sweep(db)
    assert state(db, run_id) == RunState.FINISHED
    assert order(db, Verb.END, run_id, "operator") == RunState.FINISHED


@pytest.mark.longer
def test_the_windows_end_does_not_close_what_another_sends(db: Database) -> None:
    run_id = approved(db, window_end=clock.now() + timedelta(hours=1))
    order(db, Verb.START, run_id, "operator")
    past = clock.now_ms() - 1000
    db.write(lambda c: c.execute(update(campaigns).values(window_end=past)))
    sweep(db)
    assert state(db, run_id) == RunState.RUNNING


@pytest.mark.longer
def test_a_held_run_is_cancelled_like_any_other(db: Database) -> None:
    run_id = approved(db)
    order(db, Verb.START, run_id, "operator")
    order(db, Verb.CANCEL, run_id, "operator")
    sweep(db)
    assert state(db, run_id) == RunState.CANCELLED


def test_the_carriers_own_times_are_kept_and_audited(db: Database) -> None:
    run_id = approved_for(db, 6)
    began, ended = clock.now() - timedelta(hours=5), clock.now() - timedelta(hours=1)
    order(db, Verb.START, run_id, "operator", began)
    order(db, Verb.END, run_id, "operator", ended)
    row = db.read(lambda c: c.execute(select(runs.c.started_at, runs.c.ended_at)).one())
    assert tuple(row) == (clock.to_ms(began), clock.to_ms(ended))
    noted = db.read(lambda c: c.execute(select(audit.c.action, audit.c.detail).order_by(audit.c.id)).all())
    assert [(action, "at" in detail) for action, detail in noted[-2:]] == [
        ("run.start", True),
        ("run.end", True),
    ]


@pytest.mark.longer
def test_times_that_can_not_be_are_refused(db: Database) -> None:
    run_id = approved_for(db, 3)
    now = clock.now()
    wrong = (
        (now + timedelta(hours=1), "future"),
        (now.replace(tzinfo=None), "zone"),
        (now - timedelta(hours=4), "The run cannot have started before the campaign was approved"),
    )
    for at, words in wrong:
        with pytest.raises(Invalid, match=words):
            order(db, Verb.START, run_id, "operator", at)
    order(db, Verb.START, run_id, "operator", now - timedelta(hours=1))
    with pytest.raises(Invalid, match="before it started"):
        order(db, Verb.END, run_id, "operator", now - timedelta(hours=2))
    with pytest.raises(
        Invalid,
        match=exactly(
            "A time can only be given when starting or ending a run that the carrier sends itself."
        ),
    ):
        order(db, Verb.PAUSE, run_id, "operator", now)


def test_a_run_over_batches_takes_neither_an_end_nor_a_time_nor_an_order(db: Database) -> None:
    _, run_id = db.write(new_run)
    with pytest.raises(
        Conflict, match=exactly("Loa sends run 1 itself and records its end. To stop it early, cancel it.")
    ):
        order(db, Verb.END, run_id, "operator")
    with pytest.raises(
        Invalid,
        match=exactly(
            "A time can only be given when starting or ending a run that the carrier sends itself."
        ),
    ):
        order(db, Verb.START, run_id, "operator", clock.now())
    with pytest.raises(Conflict, match="no order"):
        db.read(carrier_orders.order, run_id)


def test_the_approval_signs_the_audience(db: Database) -> None:
    digests = set()
    for audience in (AUDIENCE, replace(AUDIENCE, areas=("116",)), replace(AUDIENCE, estimated=1)):
        campaign_id, _ = held_run(db, audience)
        digests.add(db.read(queries.dossier, campaign_id).digest)
    assert len(digests) == 3


def test_a_held_run_can_be_taken_out_and_made_anew(db: Database) -> None:
    campaign_id, run_id = held_run(db)
    with pytest.raises(
        Conflict, match=exactly("The campaign already has a run at vnpt. Remove that run first.")
    ):
        db.write(lifecycle.add_held_run, campaign_id, "vnpt", AUDIENCE, "author")
    db.write(lifecycle.remove_run, run_id, "author")
    again = db.write(lifecycle.add_held_run, campaign_id, "vnpt", AUDIENCE, "author")
    assert db.read(queries.run, again).audience == AUDIENCE


@pytest.mark.parametrize(
    ("areas", "basis", "estimated", "field"),
    [
        (("nowhere",), Basis.REGISTERED, 10, "areas"),
        (("116",), Basis.UNDIVIDED, 10, "area_basis"),
        ((), Basis.REGISTERED, 0, "estimated"),
    ],
)
def test_a_wrong_audience_is_refused(
    areas: tuple[str, ...], basis: Basis, estimated: int, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        carrier_audience.checked(areas, basis, estimated)
    assert [name for name, _ in caught.value.faults] == [field]


def test_areas_are_kept_as_codes_in_order() -> None:
    found = carrier_audience.checked(("Huyện Mai Sơn", "116", "3646", "116"), Basis.SERVING, 10)
    assert found.areas == ("03646", "116", "125")


def test_the_forecast_says_that_the_pace_is_the_carriers(db: Database) -> None:
    end = clock.now() + timedelta(days=2)
    run_id = approved(db, window_end=end)
    found = db.read(forecast, run_id, clock.now())
    assert (found.subscribers, found.subscribers_left, found.seconds) == (350_000, 350_000, None)
    assert found.finishes_at == clock.from_ms(clock.to_ms(end))
    assert "sends by itself" in found.warnings[0]


@pytest.mark.longer
def test_the_order_says_all_that_the_operator_needs(db: Database) -> None:
    run_id = approved(db, text="Công an không làm việc qua điện thoại.")
    found = db.read(carrier_orders.order, run_id)
    assert [area.name for area in found.areas] == ["Thành phố Sơn La", "Huyện Mai Sơn"]
    page = carrier_orders.as_text(found)
    for words in (found.texts[0].text, found.texts[0].sha256, found.digest, "350.000 thuê bao", "CA SON LA"):
        assert words in page
    assert "Huyện Mai Sơn (125), nay thuộc Xã Mai Sơn, " in page
    then = replace(found, window_start=datetime(2024, 2, 1, tzinfo=UTC))
    assert "Địa bàn: Thành phố Sơn La (116); Huyện Mai Sơn (125)\n" in carrier_orders.as_text(then)


# ---- over HTTP ------------------------------------------------------------------------------------------


@pytest.mark.longer
def test_no_held_run_is_made_at_a_carrier_that_there_is_not(client: Client, db: Database) -> None:
    campaign = db.write(new_campaign)
    body = {"carrier": "vnpd", "areas": ["116"], "area_basis": "dia_chi_dang_ky", "estimated": 1000}
    refused = client.post(f"/v1/campaigns/{campaign}/held-runs", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "carrier")
    assert "Did you mean vnpt?" in refused.json()["detail"]
    assert client.get("/v1/runs", params={"campaign_id": campaign}).json()["items"] == []


@pytest.mark.longer
def test_a_held_run_over_http(client: Client, chief: Client, application: FastAPI, db: Database) -> None:
    campaign = db.write(new_campaign)
    body = {"carrier": "vnpt", "areas": ["116"], "area_basis": "dia_chi_dang_ky", "estimated": 1000}
    made = client.post(f"/v1/campaigns/{campaign}/held-runs", json=body)
    assert (made.status_code, made.json()["audience"]["areas"]) == (201, ["116"])
    run = made.json()["id"]
    client.post(f"/v1/campaigns/{campaign}/submit")
    read = {"digest": chief.get(f"/v1/campaigns/{campaign}").json()["digest"]}
    chief.post(f"/v1/campaigns/{campaign}/approve", json=read)
    with Client(application, db.write(create_key, "vnpt desk", "operator", "vnpt")) as operator:
        assert operator.get(f"/v1/runs/{run}/order").json()["estimated"] == 1000
        page = operator.get(f"/v1/runs/{run}/order", params={"format": "txt"})
        assert "YÊU CẦU NHẮN TIN" in page.text
        started = operator.post(f"/v1/runs/{run}/start", json={"at": clock.now().isoformat()})
        assert (started.status_code, started.json()["state"]) == (200, "running")
        assert operator.post(f"/v1/runs/{run}/end").json()["state"] == "sent"
    with Client(application, db.write(create_key, "viettel desk", "operator", "viettel")) as other:
        assert other.get(f"/v1/runs/{run}/order").status_code == 404
        assert other.post(f"/v1/runs/{run}/end").status_code == 404


def test_calls_of_before_are_neither_ordered_nor_stated_nor_counted(db: Database) -> None:
    run_id = approved(db)
    order(db, Verb.START, run_id, "operator")
    figures = {
        "general": {"eligible": 5, "excluded": 0, "sent": 5, "received": 4, "failed": 1, "no_receipt": 0}
    }
    figures |= {"segments": None, "resent": None, "excluded": [], "areas": [], "days": [], "reasons": []}
    row = {"run_id": run_id, "version": 1, "kind": "stated", "level": 2, "figures": figures, "cutoff_at": 1}
    row |= {"at": 1, "received_at": 1, "by": "vnpt", "source": "api"}
    db.write(lambda c: c.execute(insert(statements).values(row)))
    assert db.read(carrier_statement.latest, run_id) is not None
    db.write(lambda c: c.execute(update(audiences).values(spoken=True)))
    assert db.read(carrier_statement.latest, run_id) is None
    with pytest.raises(
        Conflict,
        match=exactly(
            "In run 1 the carrier made voice calls, which Loa no longer orders or counts. Reports "
            "already frozen are kept as they are."
        ),
    ):
        db.read(carrier_orders.order, run_id)
    claim = StatementBody.model_validate(body()).claim(EntrySource.API)
    with pytest.raises(
        Conflict,
        match=exactly(
            "In run 1 the carrier made voice calls, which Loa no longer orders or counts. Reports "
            "already frozen are kept as they are."
        ),
    ):
        db.write(statement_service.state, run_id, claim, "vnpt")

"""A follow-up over HTTP and by command: one step, once per key, and no number in any answer, log or page."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from app.cli import campaign_commands, run_commands
from app.core.config import Settings
from app.database.connection import Database
from app.database.models import audit, batches
from app.ledger.unreached import USUAL, usual_causes
from app.observability import logs
from app.security import create_key
from tests.app.campaigns import past
from tests.app.campaigns.past import D, sent
from tests.app.cli.test_campaign_commands import Shell
from tests.app.client import Client
from tests.engines import sqlite_alone

database_url = sqlite_alone

URL = "/v1/campaigns/follow-ups"


def made(client: Client, *sources: int, **more: Any) -> dict[str, Any]:
    answer = client.post(URL, json={"campaign_ids": list(sources), **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.longer
def test_one_request_makes_a_draft_that_somebody_else_approves(
    client: Client, chief: Client, db: Database
) -> None:
    one = sent(db, {1: D.UNDELIVERED, 2: D.DELIVERED, 3: D.EXPIRED})
    found = made(client, one, areas=["119"])
    campaign = found["campaign"]["id"]
    place = f"/v1/campaigns/{campaign}"
    assert (found["campaign"]["state"], found["follow_up"]["ready"]) == ("draft", False)
    early = client.post(f"{place}/submit")
    assert (early.status_code, "still being created" in early.text) == (409, True)
    past.fill(db)
    assert client.post(f"{place}/submit").status_code == 200
    seen = chief.get(place).json()
    share = seen["follow_up"]["batches"][0]
    assert seen["follow_up"] | {"batches": []} == {
        "sources": [one],
        "outcomes": ["undelivered", "expired", "no_receipt"],
        "causes": sorted(cause.spelt() for cause in usual_causes(USUAL)),
        "areas": ["119"],
        "ready": True,
        "subscribers": 1,
        "batches": [],
        "same_as": one,
    }
    assert (share["carrier"], share["state"], share["subscribers"]) == ("vnpt", "ready", 1)
    own = client.post(f"{place}/approve", json={"digest": seen["digest"]})
    assert own.status_code == 403
    stale = chief.post(f"{place}/approve", json={"digest": "0" * 64})
    assert stale.status_code == 409
    assert chief.post(f"{place}/approve", json={"digest": seen["digest"]}).status_code == 200


@pytest.mark.longer
def test_the_same_key_makes_one(client: Client, db: Database) -> None:
    one = sent(db, {1: D.UNDELIVERED})
    key = {"Idempotency-Key": "follow-1"}
    first, again = (client.post(URL, json={"campaign_ids": [one]}, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.json(), first.headers["Location"]) == (again.json(), again.headers["Location"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert db.read(lambda c: c.execute(select(func.count()).select_from(batches)).scalar()) == 2
    other = client.post(URL, json={"campaign_ids": [one], "name": "x"}, headers=key)
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"campaign_ids": []}, "campaign_ids"),
        ({"campaign_ids": [1], "outcomes": ["lost"]}, "outcomes"),
        ({"campaign_ids": [1], "causes": ["rejected:wet"]}, "causes"),
        ({"campaign_ids": [1], "outcomes": []}, "outcomes"),
        ({"campaign_ids": [1], "areas": ["999"]}, "areas"),
        ({"campaign_ids": [1], "numbers": ["0912345678"]}, "numbers"),
        ({"campaign_ids": [1], "text": "a", "text_key": "gia-danh-cong-an"}, "text"),
        ({"campaign_ids": [1], "outcomes": ["expired"]}, "outcomes"),
    ],
)
def test_what_is_wrong_is_said_by_its_field(
    client: Client, db: Database, body: dict[str, Any], field: str
) -> None:
    sent(db, {1: D.UNDELIVERED})
    answer = client.post(URL, json=body)
    assert answer.status_code == 422, answer.text
    assert [each["field"].removeprefix("body.").split(".")[0] for each in answer.json()["errors"]] == [field]


@pytest.mark.longer
def test_only_authors_make_one(application: FastAPI, db: Database) -> None:
    one = sent(db, {1: D.UNDELIVERED})
    for name, role, carrier in (("op", "operator", "vnpt"), ("aud", "auditor", None)):
        with Client(application, db.write(create_key, name, role, carrier)) as client:
            assert client.post(URL, json={"campaign_ids": [one]}).status_code == 403


@pytest.mark.longer
def test_no_number_is_in_any_answer_log_page_or_audit(
    client: Client, chief: Client, db: Database, settings: Settings
) -> None:
    heard = io.StringIO()
    logs.configure(settings, heard)
    one = sent(db, dict.fromkeys(range(40), D.UNDELIVERED))
    campaign = made(client, one)["campaign"]["id"]
    past.fill(db)
    answers = [client.post(f"/v1/campaigns/{campaign}/submit").text]
    for path in (
        *(f"/v1/campaigns/{campaign}", "/v1/campaigns", "/v1/batches/2", "/v1/batches", "/v1/runs/2"),
        *("/v1/batches/2/bad-lines", "/v1/batches/2/bad-lines.csv", "/v1/audit"),
        *(f"/v1/campaigns/{campaign}/report", "/v1/runs/2/report", "/v1/runs/2/report?format=csv"),
    ):
        for who in (client, chief):
            answers.append(who.get(path).text)
    acts = db.read(lambda c: [str(row) for row in c.execute(select(audit))])
    said = re.sub(r"(?<=\d)[ .\-](?=\d)", "", " ".join([*answers, *acts, heard.getvalue()]))
    assert "follow_up" in said
    assert [n for n in range(40) if str(past.number(n))[-9:] in said] == []


@pytest.mark.longer
def test_a_command_makes_one_whole(database_url: str, tmp_path: Path) -> None:
    db = Database(database_url)
    one = sent(db, {1: D.UNDELIVERED, 2: D.REJECTED})
    sent(db, {3: D.EXPIRED}, "viettel", into=one)
    db.close()
    shell = Shell(database_url, tmp_path)
    said = shell(campaign_commands.app, "follow-up", str(one), "--end", "2031-02-09T18:00+07:00")
    assert said == "Campaign 2 is a draft for 1 at viettel, 1 at vnpt."
    more = shell(
        campaign_commands.app, "follow-up", str(one), "--outcome", "rejected", "--text", "Canh giac."
    )
    assert more == "Campaign 3 is a draft for 1 at vnpt."
    assert shell(campaign_commands.app, "submit", "2") == "Campaign 2 is submitted."
    shown = shell(campaign_commands.app, "show", "2")
    assert "no_receipt" in shown
    assert str(past.number(1))[-9:] not in shown + shell(run_commands.app, "show", "3")

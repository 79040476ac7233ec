"""A campaign over HTTP, from the letter to a running run."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import insert

from app.campaigns import lifecycle, optimistic_lock
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import tallies
from app.security import create_key
from tests.app.campaigns.rows import new_batch, new_link, new_run
from tests.app.client import Client
from tests.engines import sqlite_alone

database_url = sqlite_alone

LETTER = {
    "number": "303/CAT-PA05",
    "issued_on": "2024-01-29",
    "issuer": "Công an tỉnh",
    "subject": "Phối hợp tuyên truyền",
    "report_deadline": "2031-02-24T17:00:00+07:00",
    "addressees": ["VNPT", "Viettel", "MobiFone"],
}
CAMPAIGN = {
    "name": "Phòng lừa đảo trước Tết",
    "purpose": "tuyen_truyen",
    "sender": "CA SON LA",
    "text_key": "gia-danh-cong-an",
    "window_start": "2031-02-02T07:00:00+07:00",
    "window_end": "2031-02-09T18:00:00+07:00",
}


def made(client: Client, **changes: Any) -> dict[str, Any]:
    response = client.post("/v1/campaigns", json=CAMPAIGN | changes)
    assert response.status_code == 201, response.text
    return dict(response.json())


@pytest.mark.longer
def test_a_campaign_goes_from_the_letter_to_a_running_run(
    client: Client, chief: Client, db: Database
) -> None:
    letter = client.post("/v1/directives", json=LETTER)
    assert (letter.status_code, letter.headers["Location"]) == (201, "/v1/directives/1")
    campaign = made(client, directive_id=letter.json()["id"])
    batch_id = db.write(new_batch, accepted=1000)
    url = f"/v1/campaigns/{campaign['id']}"
    run = client.post(f"{url}/runs", json={"carrier": "vnpt", "batch_ids": [batch_id]})
    assert (run.status_code, run.json()["subscribers"]) == (201, 1000)
    assert client.post(f"{url}/submit").json()["campaign"]["state"] == "submitted"
    digest = client.get(url).json()["digest"]
    approved = chief.post(f"{url}/approve", json={"digest": digest}).json()
    assert approved["decisions"][0]["decision"] == "approved"
    db.write(new_link)
    forecast = client.get(f"/v1/runs/{run.json()['id']}/forecast").json()
    assert forecast["segments"] == 1000 * campaign["segments"][""]
    assert forecast["begins_at"].startswith("2031-02-02T07:00:00")
    started = client.post(f"/v1/runs/{run.json()['id']}/start")
    assert (started.status_code, started.json()["state"]) == (200, "running")
    again = client.post(f"/v1/runs/{run.json()['id']}/start")
    assert again.json() == started.json()


@pytest.mark.longer
def test_letters_are_listed_page_by_page(client: Client) -> None:
    for n in range(5):
        client.post("/v1/directives", json=LETTER | {"number": f"{n}/CAT"})
    first = client.get("/v1/directives", params={"limit": 3}).json()
    assert ([each["id"] for each in first["items"]], first["next"]) == ([1, 2, 3], 3)
    rest = client.get("/v1/directives", params={"limit": 3, "after": first["next"]}).json()
    assert ([each["id"] for each in rest["items"]], rest["next"]) == ([4, 5], None)


@pytest.mark.longer
def test_a_letter_comes_back_as_it_was_given(client: Client) -> None:
    client.post("/v1/directives", json=LETTER)
    found = client.get("/v1/directives/1").json()
    assert {key: found[key] for key in LETTER} == LETTER
    assert client.get("/v1/directives/2").status_code == 404


@pytest.mark.longer
@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({}, 409, "Directive 303/CAT-PA05 already exists"),
        ({"number": ""}, 422, "number"),
        ({"issued_on": "29-01-2024"}, 422, "issued_on"),
        (
            {"report_deadline": "2031-02-24T17:00:00"},
            422,
            "body.report_deadline needs a time zone, for example",
        ),
        ({"colour": "red"}, 422, "colour"),
    ],
)
def test_a_wrong_letter_is_refused_in_words(
    client: Client, change: dict[str, Any], status: int, words: str
) -> None:
    client.post("/v1/directives", json=LETTER)
    response = client.post("/v1/directives", json=LETTER | change)
    assert response.status_code == status
    assert words in response.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"purpose": "quang_cao"}, "purpose"),
        ({"sender": "0912345678"}, "sender"),
        ({"window_start": "2031-02-02T07:00:00"}, "body.window_start"),
        ({"text": "x"}, "text"),
        ({"text_key": None, "text": "a\x00"}, "text"),
        ({"name": "a\x00"}, "body.name"),
        ({"directive_id": 99}, "directive_id"),
        ({"directive_id": 2**40}, "body.directive_id"),
        ({"form": "shouted"}, "body.form"),
        ({"text_key": "nothing-such"}, "text_key"),
    ],
)
def test_a_wrong_campaign_is_refused_with_its_field(
    client: Client, change: dict[str, Any], field: str
) -> None:
    response = client.post("/v1/campaigns", json=CAMPAIGN | change)
    assert response.status_code in (404, 422)
    assert [each["field"] for each in response.json()["errors"]] == [field]


@pytest.mark.longer
def test_a_lone_surrogate_is_refused_before_it_reaches_the_database(client: Client) -> None:
    body = '{"name": "a\\ud800", "purpose": "tuyen_truyen", "sender": "CA", "text": "x"}'
    response = client.post("/v1/campaigns", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422


@pytest.mark.longer
def test_an_edit_needs_the_version_that_was_read(client: Client) -> None:
    campaign = client.post("/v1/campaigns", json=CAMPAIGN)
    url, etag = campaign.headers["Location"], campaign.headers["ETag"]
    bare = client.put(url, json=CAMPAIGN)
    assert (bare.status_code, bare.json()["type"]) == (428, "/docs/errors#version-wanted")
    assert client.put(url, json=CAMPAIGN, headers={"If-Match": "3"}).status_code == 422
    changed = client.put(url, json=CAMPAIGN | {"sender": "CA"}, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["campaign"]["sender"]) == (200, "CA")
    stale = client.put(url, json=CAMPAIGN, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["type"]) == (412, "/docs/errors#version-changed")
    assert changed.headers["ETag"] == '"2"'
    assert client.get(url).headers["ETag"].startswith('"2-')


@pytest.mark.longer
@pytest.mark.parametrize(("verb", "state"), [("reject", "rejected"), ("return", "draft")])
def test_a_refusal_over_http_needs_a_reason(
    client: Client, chief: Client, db: Database, verb: str, state: str
) -> None:
    campaign_id, _ = db.write(new_run)
    url = f"/v1/campaigns/{campaign_id}"
    client.post(f"{url}/submit")
    assert chief.post(f"{url}/{verb}", json={"reason": " "}).status_code == 422
    found = chief.post(f"{url}/{verb}", json={"reason": "wrong sender"}).json()
    assert (found["campaign"]["state"], found["decisions"][0]["reason"]) == (state, "wrong sender")


@pytest.mark.longer
@pytest.mark.parametrize("body", [None, {}, {"reason": "x"}, {"digest": None}, {"digest": ""}])
def test_nobody_approves_without_the_digest_of_what_was_read(
    client: Client, chief: Client, db: Database, body: Any
) -> None:
    campaign_id, _ = db.write(new_run)
    client.post(f"/v1/campaigns/{campaign_id}/submit")
    refused = chief.post(f"/v1/campaigns/{campaign_id}/approve", json=body)
    assert refused.status_code == 422
    assert client.get(f"/v1/campaigns/{campaign_id}").json()["campaign"]["state"] == "submitted"


@pytest.mark.longer
def test_campaigns_are_listed_by_state(client: Client, db: Database) -> None:
    campaign_id, _ = db.write(new_run)
    made(client)
    client.post(f"/v1/campaigns/{campaign_id}/submit")
    listed = client.get("/v1/campaigns", params={"state": "submitted"}).json()["items"]
    assert [each["id"] for each in listed] == [campaign_id]
    assert len(client.get("/v1/campaigns").json()["items"]) == 2


@pytest.mark.longer
def test_a_run_shows_its_progress_by_state(client: Client, db: Database) -> None:
    campaign_id, run_id = db.write(new_run, accepted=1000)
    key = {"campaign_id": campaign_id, "run_id": run_id, "batch_id": 1, "reason": 0}
    changes = [
        (DeliveryState.QUEUED, 900, 1800),
        (DeliveryState.QUEUED, -300, -600),
        (DeliveryState.SUBMITTED, 300, 600),
        (DeliveryState.SUBMITTED, -300, -600),
        (DeliveryState.DELIVERED, 300, 600),
    ]
    rows = [key | {"state": state, "n": n, "segments": segments} for state, n, segments in changes]
    db.write(lambda c: c.execute(insert(tallies), rows))
    found = client.get(f"/v1/runs/{run_id}").json()
    assert found["progress"] == {
        "queued": {"messages": 600, "segments": 1200},
        "delivered": {"messages": 300, "segments": 600},
    }
    assert found["not_queued"] == 100
    assert client.get("/v1/runs", params={"carrier": "vnpt", "state": "planned"}).json()["items"] == [found]
    assert client.get("/v1/runs", params={"carrier": "viettel"}).json()["items"] == []


@pytest.mark.parametrize("verb", ["start", "pause", "resume", "cancel"])
def test_an_order_to_no_run_is_a_404(client: Client, verb: str) -> None:
    assert client.post(f"/v1/runs/7/{verb}").status_code == 404


@pytest.mark.longer
def test_orders_move_a_run_over_http(client: Client, chief: Client, db: Database) -> None:
    campaign_id, run_id = db.write(new_run)
    client.post(f"/v1/campaigns/{campaign_id}/submit")
    read = {"digest": chief.get(f"/v1/campaigns/{campaign_id}").json()["digest"]}
    chief.post(f"/v1/campaigns/{campaign_id}/approve", json=read)
    states = [
        client.post(f"/v1/runs/{run_id}/{verb}").json()["state"]
        for verb in ("start", "pause", "resume", "cancel")
    ]
    assert states == ["running", "paused", "running", "cancelling"]
    assert client.get(f"/v1/runs/{run_id}").json()["closing"] == "cancelled"
    refused = client.post(f"/v1/runs/{run_id}/resume")
    assert (refused.status_code, refused.json()["title"]) == (409, "Not possible in the current state")


@pytest.mark.longer
def test_a_priority_and_a_removal_over_http(client: Client, db: Database) -> None:
    _, run_id = db.write(new_run)
    assert client.put(f"/v1/runs/{run_id}/priority", json={"priority": 5}).json()["priority"] == 5
    assert client.put(f"/v1/runs/{run_id}/priority", json={"priority": 500}).status_code == 422
    assert client.delete(f"/v1/runs/{run_id}").status_code == 204
    assert client.get(f"/v1/runs/{run_id}").status_code == 404


@pytest.mark.longer
def test_a_rate_over_http_changes_the_forecast(client: Client, db: Database) -> None:
    _, run_id = db.write(new_run)
    db.write(new_link, "vnpt-1", 100.0)
    url = f"/v1/runs/{run_id}"
    before = client.get(f"{url}/forecast").json()
    assert before["segments_per_second"] == 100.0
    assert client.put(f"{url}/rate", json={"segments_per_second": 20}).json()["segments_per_second"] == 20
    after = client.get(f"{url}/forecast").json()
    assert (after["segments_per_second"], after["seconds"]) == (20.0, 5 * before["seconds"])
    refused = client.put(f"{url}/rate", json={"segments_per_second": 9})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "segments_per_second")
    assert client.put(f"{url}/rate", json={}).status_code == 422
    assert client.put(f"{url}/rate", json={"segments_per_second": None}).json()["segments_per_second"] is None
    assert client.get(f"{url}/forecast").json()["seconds"] == before["seconds"]


@pytest.mark.longer
def test_texts_show_what_each_form_costs(client: Client) -> None:
    listed = client.get("/v1/texts").json()
    one = client.get("/v1/texts/gia-danh-cong-an").json()
    assert one in listed
    assert (one["accented"]["encoding"], one["unaccented"]["encoding"]) == ("ucs2", "gsm7")
    assert one["accented"]["segments"] > one["unaccented"]["segments"] == len(one["unaccented"]["parts"])
    assert client.get("/v1/texts/nothing-such").status_code == 404


def test_a_wording_is_previewed_with_advice(client: Client) -> None:
    body = {"text": "Công an cảnh báo – gọi 0912345678", "subscribers": 1000}
    found = client.post("/v1/texts/preview", json=body).json()
    assert found["unaccented"]["wording"].startswith("Cong an canh bao")
    assert found["accented"]["total_segments"] == 1000
    sentences = " ".join(each[2] for each in found["advice"])
    assert "0912345678" not in sentences
    assert {each[1] for each in found["advice"]} >= {"warning"}
    assert len(found["advice"]) >= 2


@pytest.mark.longer
def test_an_operator_sees_and_moves_the_own_carrier_s_runs_only(application: FastAPI, db: Database) -> None:
    campaign_id, own = db.write(new_run)
    other = db.write(new_batch, carrier="viettel")
    foreign = db.write(lifecycle.add_run, campaign_id, "viettel", [other], "author")
    with Client(application, db.write(create_key, "vnpt's", "operator", "vnpt")) as operator:
        assert [each["id"] for each in operator.get("/v1/runs").json()["items"]] == [own]
        assert operator.get("/v1/runs", params={"carrier": "viettel"}).status_code == 403
        runs = operator.get(f"/v1/campaigns/{campaign_id}").json()["runs"]
        assert [each["id"] for each in runs] == [own]
        assert operator.get(f"/v1/runs/{own}").status_code == 200
        assert operator.get(f"/v1/runs/{foreign}/forecast").status_code == 404
        assert operator.post(f"/v1/runs/{foreign}/cancel").status_code == 404
        assert operator.post(f"/v1/runs/{own}/cancel").status_code == 200
    assert db.read(optimistic_lock.run, foreign).state == "planned"

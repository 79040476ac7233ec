"""ETag, If-Match and If-None-Match: nobody overwrites what was changed since it was read."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from app.api.if_match import versions_of
from app.core.errors import Invalid
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import tallies
from tests.app.campaigns.rows import new_run
from tests.app.campaigns.test_routes import CAMPAIGN, LETTER
from tests.app.client import Client


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        ('"3"', {"3"}),
        ('"3-0af1"', {"3"}),
        ('"3", "4-00"', {"3", "4"}),
        ('"planned.100.1-ab"', {"planned.100.1"}),
    ],
)
def test_an_etag_is_a_version_with_or_without_its_hash(header: str, versions: set[str]) -> None:
    assert versions_of(header) == versions


@pytest.mark.parametrize("header", ["3", '"', "", 'W/"3"', '"3-xyz"', '"a b"'])
def test_what_is_no_etag_of_ours_is_refused(header: str) -> None:
    with pytest.raises(Invalid, match="ETag"):
        versions_of(header)


@pytest.mark.longer
def test_an_order_to_a_campaign_may_name_what_was_read(client: Client, db: Database) -> None:
    campaign_id, _ = db.write(new_run)
    url = f"/v1/campaigns/{campaign_id}"
    read = client.get(url).headers["ETag"]
    client.put(url, json=CAMPAIGN, headers={"If-Match": read})
    refused = client.post(f"{url}/submit", headers={"If-Match": read})
    assert (refused.status_code, refused.json()["type"]) == (412, "/docs/errors#version-changed")
    assert client.get(url).json()["campaign"]["state"] == "draft"
    done = client.post(f"{url}/submit", headers={"If-Match": client.get(url).headers["ETag"]})
    assert (done.status_code, done.json()["campaign"]["state"]) == (200, "submitted")


@pytest.mark.longer
def test_an_order_to_a_run_may_name_what_was_read_whatever_its_progress(client: Client, db: Database) -> None:
    campaign_id, run_id = db.write(new_run)
    url = f"/v1/runs/{run_id}"
    read = client.get(url).headers["ETag"]
    row = {"campaign_id": campaign_id, "run_id": run_id, "batch_id": 1, "reason": 0, "segments": 1, "n": 1}
    db.write(lambda c: c.execute(insert(tallies).values(row | {"state": int(DeliveryState.QUEUED)})))
    assert client.get(url).headers["ETag"] != read
    done = client.put(f"{url}/priority", json={"priority": 5}, headers={"If-Match": read})
    assert (done.status_code, done.json()["priority"]) == (200, 5)
    refused = client.delete(url, headers={"If-Match": read})
    assert (refused.status_code, refused.json()["type"]) == (412, "/docs/errors#version-changed")
    assert client.delete(url, headers={"If-Match": "*"}).status_code == 204


@pytest.mark.longer
def test_what_was_said_of_an_addressee_is_replaced_only_by_who_has_read_it(client: Client) -> None:
    place = client.post("/v1/directives", json=LETTER).headers["Location"] + "/addressees"
    body = {"name": "Sở Tư pháp", "kind": "department"}
    read = client.get(place).headers["ETag"]
    assert client.put(place, json=body, headers={"If-Match": read}).status_code == 200
    assert client.put(place, json=body).status_code == 200  # the same again
    other = body | {"email": "vp@sotuphap.example"}
    assert client.put(place, json=other).json()["type"] == "/docs/errors#version-wanted"
    assert client.put(place, json=other, headers={"If-Match": read}).status_code == 412
    again = client.get(place).headers["ETag"]
    done = client.put(place, json=other, headers={"If-Match": again})
    assert (done.status_code, done.json()["email"]) == (200, "vp@sotuphap.example")
    late = body | {"email": "khac@sotuphap.example"}  # of who has not seen that there is an address now
    assert client.put(place, json=late, headers={"If-Match": again}).status_code == 412


@pytest.mark.longer
def test_what_has_not_changed_is_not_sent_again(client: Client, db: Database) -> None:
    _, run_id = db.write(new_run)
    for url in (f"/v1/runs/{run_id}", "/v1/batches/1", "/v1/runs", "/v1/texts/gia-danh-cong-an"):
        first = client.get(url)
        tag = first.headers["ETag"]
        same = client.get(url, headers={"If-None-Match": f'"x", W/{tag}'})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
        assert client.get(url, headers={"If-None-Match": '"x"'}).content == first.content


@pytest.mark.longer
def test_a_campaign_has_another_etag_when_anything_of_it_is_another(client: Client, db: Database) -> None:
    campaign_id, run_id = db.write(new_run)
    url = f"/v1/campaigns/{campaign_id}"
    read = client.get(url).headers["ETag"]
    client.put(f"/v1/runs/{run_id}/priority", json={"priority": 7})
    assert client.get(url, headers={"If-None-Match": read}).status_code == 200


def test_errors_have_no_etag(client: Client) -> None:
    assert "ETag" not in client.get("/v1/runs/1").headers

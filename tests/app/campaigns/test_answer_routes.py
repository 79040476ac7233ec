"""Answer texts over the API: entered, submitted, approved, in use, withdrawn."""

from __future__ import annotations

import pytest

from tests.app.client import Client

BODY = {"answers_to": "other", "sender": "CA SON LA", "text": "Day la so tra loi tu dong; goi 113."}


@pytest.mark.longer
def test_an_answer_text_goes_its_way_over_the_api(client: Client, chief: Client) -> None:
    made = client.post("/v1/answers", json=BODY)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/campaigns/1")
    assert made.json() | {"created_at": ""} == {
        "id": 1,
        "answers_to": "other",
        "state": "draft",
        "in_use": False,
        "sender": "CA SON LA",
        "text": BODY["text"],
        "segments": 1,
        "created_at": "",
        "created_by": "tester",
        "answered": 0,
        "unanswered": {},
    }
    seen = client.post("/v1/campaigns/1/submit").json()
    assert seen["campaign"]["answers_to"] == "other"
    assert client.post("/v1/campaigns/1/approve", json={"digest": seen["digest"]}).status_code == 403
    assert chief.post("/v1/campaigns/1/approve", json={"digest": seen["digest"]}).status_code == 200
    (shown,) = client.get("/v1/answers").json()["items"]
    assert (shown["state"], shown["in_use"]) == ("approved", True)
    assert client.post("/v1/campaigns/1/withdraw").status_code == 200
    (shown,) = client.get("/v1/answers").json()["items"]
    assert (shown["state"], shown["in_use"]) == ("withdrawn", False)


@pytest.mark.longer
def test_an_answer_text_is_entered_once_for_one_key(client: Client) -> None:
    key = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}
    first, second = (client.post("/v1/answers", json=BODY, headers=key) for _ in range(2))
    assert first.json() == second.json()
    assert len(client.get("/v1/answers").json()["items"]) == 1


def test_it_is_refused_with_field_and_remedy(client: Client) -> None:
    answer = client.post("/v1/answers", json=BODY | {"answers_to": "thanks"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.answers_to")
    answer = client.post("/v1/answers", json=BODY | {"sender": "12345"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "sender")
    answer = client.post("/v1/answers", json=BODY | {"directive_id": 1})
    assert answer.status_code == 422

"""Lists: by page, with the next page's address, and narrowed to what is sought."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from app.database.connection import Database
from app.database.models import batches, campaigns, runs
from tests.app.campaigns.rows import new_batch, new_run
from tests.app.client import Client


@pytest.fixture
def three(client: Client, db: Database) -> Client:
    """Three campaigns, each with a run and a batch; the second at Viettel, the third made later."""
    for carrier in ("vnpt", "viettel", "vnpt"):
        db.write(new_run, carrier=carrier, sha256=f"{carrier}{db.read(_count)}")
    for table in (campaigns, runs, batches):
        db.write(lambda c, t=table: c.execute(update(t).values(created_at=0)))
        db.write(lambda c, t=table: c.execute(update(t).where(t.c.id == 3).values(created_at=86_400_000)))
    return client


def _count(connection: Any) -> int:
    return len(connection.execute(batches.select()).all())


def ids(client: Client, url: str) -> list[int]:
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["items"]]


@pytest.mark.longer
@pytest.mark.parametrize("noun", ["campaigns", "runs", "batches"])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3]),
        ("?carrier=viettel", [2]),
        ("?carrier=gmobile", []),
        ("?since=1970-01-02T07:00:00%2B07:00", [3]),
        ("?since=1970-01-02T07:00:00.001%2B07:00", []),
        ("?carrier=vnpt&since=1970-01-01T07:00:00Z", [3]),
    ],
)
def test_a_list_is_narrowed(three: Client, noun: str, query: str, found: list[int]) -> None:
    assert ids(three, f"/v1/{noun}{query}") == found


@pytest.mark.longer
def test_runs_are_sought_by_campaign_and_state(three: Client) -> None:
    assert ids(three, "/v1/runs?campaign_id=2") == [2]
    assert ids(three, "/v1/runs?campaign_id=2&state=running") == []
    assert ids(three, "/v1/campaigns?state=draft&directive_id=1") == []


@pytest.mark.longer
@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("/v1/runs?campain_id=2", "Unknown query parameter: campain_id. Did you mean campaign_id?"),
        ("/v1/campaigns?sate=draft", "Did you mean state?"),
        ("/v1/batches?zzzzz=1&carrier=vnpt", "See /docs for the parameters of this operation."),
        ("/v1/campaigns/1?full=yes", "Unknown query parameter: full."),
        ("/v1/runs?carrier=vnpt&carrier=viettel", "query.carrier was given twice. Give it only once."),
        ("/v1/runs?limit=1&limit=2", "query.limit was given twice. Give it only once."),
    ],
)
def test_a_misspelt_filter_is_refused_and_never_ignored(three: Client, url: str, hint: str) -> None:
    refused = three.get(url)
    assert (refused.status_code, hint in refused.json()["detail"]) == (422, True)
    stranger = Client(three.app)
    assert stranger.get(url).status_code == 401


@pytest.mark.longer
def test_a_time_without_its_zone_is_refused(three: Client) -> None:
    refused = three.get("/v1/runs?since=2024-01-01T00:00:00")
    assert (refused.status_code, "time zone" in refused.json()["detail"]) == (422, True)


@pytest.mark.longer
def test_the_header_link_leads_through_all_pages_and_keeps_what_is_sought(
    three: Client, db: Database
) -> None:
    db.write(new_batch, carrier="viettel", sha256="more")
    url, seen = "/v1/batches?carrier=vnpt&limit=1", []
    for _ in range(3):
        answer = three.get(url)
        seen += [each["id"] for each in answer.json()["items"]]
        if "Link" not in answer.headers:
            break
        url, rel = answer.headers["Link"].split("; ")
        assert rel == 'rel="next"'
        url = url.strip("<>")
    assert seen == [1, 3]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/v1/runs?carrier=a%0Ab%E2%80%AEc", r"Carrier “a\u000ab\u202ec” does not exist"),
        ("/v1/runs?a%0Ab=1", r"Unknown query parameter: a\u000ab."),
        (f"/v1/texts/{'x' * 5000}", f"{'x' * 1000}…"),
        ("/v1/runs?carrier=%7Bx%7D%25s0912345678", "Carrier “{x}%s8491*****78” does not exist"),
    ],
)
def test_a_strange_value_stays_one_short_masked_word_of_its_sentence(
    client: Client, url: str, shown: str
) -> None:
    answer = client.get(url).json()
    assert shown in answer["detail"]
    assert not any("\n" in each["field"] for each in answer["errors"])

"""Times that can't be are refused wherever one may be said: stored, they would break whatever shows them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from app.database.connection import Database
from tests.app.client import Client
from tests.long.app.reports.scene import varied

UNREAL = (
    "0001-01-01T00:00:00+07:00",
    "9999-12-31T23:59:00-10:00",
    "1969-12-31T23:59:00Z",
    "2200-01-01T00:00:00Z",
)
CAMPAIGN = {"name": "n", "purpose": "tuyen_truyen", "sender": "CA SON LA", "text": "Xin chao"}
LETTER = {"number": "1", "issued_on": "2024-01-29", "issuer": "x", "subject": "x", "addressees": []}
STATED = {"kind": "manual", "level": "none", "figures": {"general": {}}, "source": "letter"}
ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/campaigns", CAMPAIGN | {"window_start": "?"}),
    ("POST", "/v1/campaigns", CAMPAIGN | {"window_end": "?"}),
    ("POST", "/v1/directives", LETTER | {"report_deadline": "?"}),
    ("POST", "/v1/keys", {"name": "k", "expires_at": "?"}),
    ("POST", "/v1/reports", {"run_id": 1, "cut_off_at": "?"}),
    ("POST", "/v1/runs/1/statements", STATED | {"cutoff_at": "?"}),
    ("POST", "/v1/runs/1/start", {"at": "?"}),
    ("GET", "/v1/runs?since=?", {}),
    ("GET", "/v1/campaigns?since=?", {}),
    ("GET", "/v1/batches?since=?", {}),
]
PERSON = {"Accept": "text/html, */*"}
SHOWING = (
    "/",
    "/campaigns",
    "/directives",
    "/keys",
    "/v1/campaigns",
    "/v1/directives",
    "/v1/keys",
    "/v1/runs",
)


@pytest.mark.parametrize("at", UNREAL)
def test_a_time_that_can_not_be_is_refused_and_breaks_nothing(db: Database, client: Client, at: str) -> None:
    varied(db)
    for method, path, body in ASKED:
        said = {name: at if value == "?" else value for name, value in body.items()}
        answer = client.request(
            method, path.replace("=?", f"={quote(at)}"), **({"json": said} if body else {})
        )
        assert answer.status_code == 422, (path, answer.text)
    for path in SHOWING:
        assert client.get(path, headers=PERSON).status_code == 200, path


def test_the_first_and_the_last_of_real_times_are_shown_everywhere(db: Database, client: Client) -> None:
    varied(db)
    for n, at in enumerate(("1970-01-01T07:00:00+07:00", "2199-12-31T23:59:59Z")):
        assert client.post(
            "/v1/directives",
            json=LETTER | {"number": f"{n}", "issued_on": "1970-01-01", "report_deadline": at},
        ).is_success
        made = client.post("/v1/campaigns", json=CAMPAIGN | {"window_start": at, "directive_id": n + 2})
        assert made.is_success, made.text
    for path in (*SHOWING, "/campaigns/2", "/campaigns/3", "/campaigns/3/edit", "/directives/3"):
        assert client.get(path, headers=PERSON).status_code == 200, path

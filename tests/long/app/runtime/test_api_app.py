"""The application's shell: errors in words, ids, headers, limits, health and description."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, MutableMapping

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from sqlalchemy import Connection, event, insert, text

from app.api import problems, uploads
from app.api.dependencies import Db
from app.api.uploads import BODY_LIMIT
from app.core.config import Settings
from app.core.errors import DatabaseUnavailable, Invalid
from app.database.connection import Database
from app.database.models import api_keys, directives
from app.observability.metrics import KEPT_S
from app.runtime.api_app import create_app
from tests.app.client import Client


class Body(BaseModel):
    count: int


def troubled() -> APIRouter:
    """Routes that fail in every way there is."""
    router = APIRouter()

    @router.get("/bug")
    def bug() -> None:
        raise RuntimeError("0912345678 is in trouble")

    @router.get("/away")
    def away() -> None:
        raise DatabaseUnavailable("The database cannot be reached.")

    @router.post("/body")
    def body(value: Body) -> int:
        return value.count

    @router.post("/stream")
    async def stream(request: Request) -> int:
        return sum([len(piece) async for piece in request.stream()])

    @router.post("/upload")
    async def upload(request: Request) -> int:
        request.scope[uploads.LIMIT] = 2 * BODY_LIMIT
        return sum([len(piece) async for piece in request.stream()])

    @router.get("/clash")
    def clash(db: Db) -> None:
        db.write(_twice)

    @router.get("/unstorable")
    def unstorable(db: Db) -> None:
        db.write(lambda c: c.execute(text("SELECT CAST('x' AS integer) / 0")))

    return router


def _twice(connection: Connection) -> None:
    key = {"name": "n", "prefix": "p", "secret_hash": b"", "role": "admin", "created_at": 0}
    connection.execute(insert(api_keys), [key, key | {"prefix": "q"}])


@pytest.fixture
def trouble(application: FastAPI) -> Iterator[Client]:
    application.router.routes.extend(troubled().routes)  # past the gate, which knows no such operations
    with Client(application) as client:
        yield client


def problem(response: httpx.Response) -> dict[str, object]:
    assert response.headers["Content-Type"] == "application/problem+json"
    return dict(response.json())


def test_an_error_is_a_problem_with_a_page_and_the_request_s_id(stranger: Client) -> None:
    response = stranger.get("/v1/campaigns", headers={"X-Request-Id": "mine-1"})
    assert problem(response) == {
        "type": "/docs/errors#unauthorised",
        "title": "Authentication is required",
        "status": 401,
        "detail": "Send an API key as `Authorization: Bearer loa_...`, or sign in with POST /v1/session.",
        "request_id": "mine-1",
    }
    assert response.headers["WWW-Authenticate"] == "Bearer"
    page = stranger.get("/docs/errors")
    assert 'id="unauthorised"' in page.text


def test_an_unknown_address_and_a_wrong_method_are_problems(stranger: Client) -> None:
    assert problem(stranger.get("/v1/nothing"))["type"] == "/docs/errors#not-found"
    wrong = stranger.delete("/healthz")
    assert (problem(wrong)["status"], wrong.headers["Allow"]) == (405, "GET")


def test_a_bug_is_owned_without_its_details(trouble: Client) -> None:
    response = trouble.get("/bug")
    assert (response.status_code, problem(response)["type"]) == (500, "/docs/errors#bug")
    assert "0912345678" not in response.text


def test_a_database_that_is_away_asks_for_patience(trouble: Client) -> None:
    response = trouble.get("/away")
    assert (problem(response)["status"], response.headers["Retry-After"]) == (503, "2")


def test_two_who_write_the_same_at_once_meet_a_conflict(trouble: Client) -> None:
    assert problem(trouble.get("/clash"))["status"] == 409


def test_what_can_t_be_stored_is_refused(trouble: Client, db: Database) -> None:
    if db.sqlite:
        pytest.skip("SQLite stores whatever it is given")
    assert problem(trouble.get("/unstorable"))["status"] == 422


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ("{}", "body.count is missing."),
        ('{"count": "0912345678901x"}', "body.count must be a whole number."),
        ("{", "The body is not valid JSON."),
        ("", "body is missing."),
    ],
)
def test_wrong_input_is_named_and_not_repeated(trouble: Client, content: str, detail: str) -> None:
    response = trouble.post("/body", content=content, headers={"Content-Type": "application/json"})
    found = problem(response)
    assert response.status_code == 422
    assert str(found["detail"]).startswith(detail)
    assert "0912345678901" not in response.text


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        (
            "/v1/directives",
            {"number": "9/X\x01"},
            "body.number must be a single line without control or invisible characters.",
        ),
        ("/v1/directives", {"number": "x" * 61}, "body.number must have at most 60 characters."),
        ("/v1/directives", {"number": ""}, "body.number must have 1 or more characters."),
        ("/v1/directives", {"number": 9}, "body.number must be text."),
        (
            "/v1/directives",
            {"issued_on": "29/01/2024"},
            ("body.issued_on must be a date, for example 2024-02-09."),
        ),
        ("/v1/directives", {"issued_on": "2024-01-29T08:00"}, "body.issued_on must be a date without a time"),
        (
            "/v1/directives",
            {"report_deadline": "soon"},
            "body.report_deadline must be a date and time with a time zone",
        ),
        ("/v1/directives", {"addressees": "VNPT"}, "body.addressees must be a list."),
        ("/v1/directives", {"addressees": ["x"] * 201}, "body.addressees must have at most 200 entries."),
        ("/v1/directives", {"nummber": "x"}, "Unknown field body.nummber."),
        ("/v1/directives", [], "body must be an object with named fields."),
        ("/v1/campaigns", {"form": "loud"}, "body.form must be 'accented' or 'unaccented'."),
        (
            "/v1/campaigns",
            {"day_starts": "7h"},
            ("body.day_starts must be a time of day, for example 07:00."),
        ),
        ("/v1/campaigns/1/runs", {"batch_ids": []}, "body.batch_ids must have 1 or more entries."),
        ("/v1/campaigns/1/runs", {"batch_ids": ["x"]}, "body.batch_ids.0 must be a whole number."),
        (
            "/v1/campaigns/1/runs",
            {"carrier": "Việt"},
            "body.carrier must consist of lower-case letters, digits, - and _",
        ),
        ("/v1/campaigns/1/held-runs", {"estimated": 0}, "body.estimated must be at least 1."),
        ("/v1/campaigns/1/held-runs", {"estimated": 10**9}, "body.estimated must be at most 200000000."),
        ("/v1/campaigns/1/approve", {"digest": "x"}, "body.digest must be the digest"),
    ],
)
def test_what_a_field_needs_is_said_in_words(
    client: Client, path: str, body: dict[str, object] | list[object], detail: str
) -> None:
    found = problem(client.post(path, json=body))
    assert any(each["detail"].startswith(detail) for each in found["errors"]), found


def test_a_body_without_its_kind_is_told_which_header_is_missing(client: Client) -> None:
    untyped = client.post("/v1/campaigns", content=b'{"name": "A"}')
    assert problem(untyped)["detail"].startswith("The header Content-Type is missing.")


def test_what_the_framework_refuses_has_a_remedy(client: Client) -> None:
    answer = client.request("PATCH", "/v1/campaigns")
    assert problem(answer)["detail"] == "This address accepts only GET, POST. See /docs."
    assert answer.headers["Allow"] == "GET, POST"
    assert client.request("DELETE", "/v1/campaigns/1").headers["Allow"] == "GET, PUT"
    odd = client.post("/v1/campaigns", content=b'{"\xff": 1}', headers={"Content-Type": "application/json"})
    assert problem(odd)["detail"] == (
        "The request body cannot be read. See /docs for what this address accepts."
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
def test_a_body_in_another_encoding_is_refused_as_a_file_with_it_is(client: Client, encoding: str) -> None:
    letter = {"number": "9/X", "issued_on": "2024-01-29", "issuer": "So é", "subject": "T"}
    content = json.dumps(letter, ensure_ascii=False).encode(encoding)
    answer = client.post("/v1/directives", content=content, headers={"Content-Type": "application/json"})
    said = "The request body must be JSON in UTF-8, without a byte order mark."
    assert problem(answer)["errors"] == [{"field": "body", "detail": said}]
    assert client.get("/v1/directives").json()["items"] == []


def test_a_body_that_is_not_sent_as_json_is_refused_by_the_name_of_the_header(client: Client) -> None:
    as_curl_does = {"Content-Type": "application/x-www-form-urlencoded"}
    found = problem(client.post("/v1/directives", content=b'{"number": "9/X"}', headers=as_curl_does))
    said = "The request body must be JSON. Send it with the header Content-Type: application/json."
    assert found["errors"] == [{"field": "header.content-type", "detail": said}]


@pytest.mark.parametrize("path", ["/", "/campaigns", "/runs", "/nothing"])
@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_a_program_that_forgets_v1_gets_no_page(client: Client, path: str, accept: str) -> None:
    answer = client.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert str(problem(answer)["detail"]).startswith("API addresses start with /v1/")
    assert "html" in client.get("/campaigns", headers={"Accept": "text/html"}).headers["content-type"]


def test_a_slash_too_many_is_said(client: Client) -> None:
    assert "Remove the slash" in str(problem(client.get("/v1/runs/"))["detail"])


def test_an_error_of_one_field_names_it() -> None:
    request = Request({"type": "http", "request_id": "r", "headers": []})
    body = problems.respond(request, Invalid("The sender is empty.", field="sender")).body
    assert b'"errors":[{"field":"sender","detail":"The sender is empty."}]' in bytes(body)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("path", ["/body", "/stream"])
def test_a_body_that_is_too_large_is_refused_while_it_comes(trouble: Client, path: str, kind: str) -> None:
    response = trouble.post(path, content=b" " * (BODY_LIMIT + 1), headers={"Content-Type": kind})
    assert (problem(response)["status"], problem(response)["type"]) == (413, "/docs/errors#too-large")


def test_a_scan_that_is_too_large_is_not_to_be_packed(client: Client) -> None:
    answer = client.post("/v1/attachments", files={"file": ("a.pdf", b"%PDF-" + b" " * 10 * BODY_LIMIT)})
    assert "The file is larger than 10485760 bytes" in problem(answer)["detail"]


def test_an_upload_has_a_limit_of_its_own(trouble: Client) -> None:
    kind = {"Content-Type": "multipart/form-data"}
    assert trouble.post("/upload", content=b"-" * 2 * BODY_LIMIT, headers=kind).json() == 2 * BODY_LIMIT
    refused = trouble.post("/upload", content=b"-" * (2 * BODY_LIMIT + 1), headers=kind)
    assert problem(refused)["status"] == 413


def test_answers_carry_headers_for_browsers_and_an_id(stranger: Client) -> None:
    headers = stranger.get("/healthz").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"] == "no-store"
    assert len(headers["X-Request-Id"]) == 32


@pytest.mark.parametrize("strange", ["", "a" * 65, "two words", "új"])
def test_a_strange_request_id_is_replaced(stranger: Client, strange: str) -> None:
    asked = {"X-Request-Id": strange.encode()}
    assert len(stranger.get("/healthz", headers=asked).headers["X-Request-Id"]) == 32


def test_the_process_is_alive_and_ready(stranger: Client) -> None:
    assert stranger.get("/healthz").json() == {"status": "alive"}
    assert stranger.get("/readyz").json()["status"] == "ready"


def test_another_schema_is_not_ready(stranger: Client, db: Database) -> None:
    db.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '0000'")))
    response = stranger.get("/readyz")
    assert problem(response)["type"] == "/docs/errors#schema-behind"
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    db.write(lambda c: c.execute(text("DELETE FROM alembic_version")))
    time.sleep(KEPT_S)
    assert "has schema none" in str(problem(stranger.get("/readyz"))["detail"])


def test_a_database_that_is_away_is_not_ready() -> None:
    db = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with Client(create_app(Settings(), db)) as client:
        assert client.get("/healthz").status_code == 200
        told = problem(client.get("/readyz"))
        assert told["type"] == "/docs/errors#database-away"
        assert told["detail"] == "The database cannot be reached. Nothing was changed. Try again."
        assert "loa_database_up 0.0" in client.get("/metrics").text
    db.close()


def test_the_database_is_asked_once_a_second_however_many_ask(db: Database) -> None:
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    with Client(create_app(Settings(), db)) as client:
        begun = time.monotonic()
        for path in ("/readyz", "/metrics"):
            for _ in range(50):
                assert client.get(path).status_code == 200
        seconds = time.monotonic() - begun
    assert len([each for each in asked if "FROM alembic_version" in each]) <= 1 + seconds / KEPT_S
    assert len([each for each in asked if "quarantine" in each]) <= 1 + seconds / KEPT_S


def test_monitors_are_counted_as_strangers_and_may_be_named(db: Database) -> None:
    with Client(create_app(Settings(stranger_requests_per_minute=5), db)) as client:
        assert [client.get("/metrics").status_code for _ in range(6)] == [200] * 5 + [429]
        assert client.get("/healthz").status_code == 200
    with Client(create_app(Settings(monitor_networks=["198.51.100.0/24"]), db)) as client:
        assert [client.get(path).status_code for path in ("/readyz", "/metrics")] == [404, 404]
        assert client.get("/healthz").status_code == 200


def test_the_description_needs_no_other_host_and_knows_problems(stranger: Client) -> None:
    found = stranger.get("/openapi.json").json()
    assert stranger.get("/openapi.json").json() == found
    assert stranger.get("/redoc").status_code == 404
    for response in found["components"]["responses"].values():
        schema = response["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "detail" in found["components"]["schemas"]["Problem"]["properties"]
    assert "HTTPValidationError" not in str(found["paths"])


async def test_what_is_no_request_passes_through(application: FastAPI) -> None:
    heard = iter(["lifespan.startup", "lifespan.shutdown"])
    said: list[MutableMapping[str, object]] = []

    async def receive() -> MutableMapping[str, object]:
        return {"type": next(heard)}

    async def send(message: MutableMapping[str, object]) -> None:
        said.append(message)

    await application({"type": "lifespan"}, receive, send)
    assert [each["type"] for each in said] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_refused_request_writes_nothing(client: Client, db: Database) -> None:
    client.post("/v1/directives", json={})
    assert db.read(lambda c: c.execute(directives.select()).all()) == []

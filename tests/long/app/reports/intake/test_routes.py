"""Statements over HTTP: kept version by version, by whom they may be made, with their scans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from app.database.connection import Database
from app.database.models import attachments, audit, runs, statements
from app.reports.figures import carrier_statement
from app.reports.figures.carrier_statement import FigureSource
from app.reports.intake import statement_workbook
from app.security import create_key
from tests.app.client import Client
from tests.long.app.reports.intake.forms import FILLED, filled
from tests.long.app.reports.intake.scene import PDF, body, held

URL = "/v1/runs/2/statements"


@pytest.fixture
def other(application: FastAPI, db: Database) -> Iterator[Client]:
    with Client(application, db.write(create_key, "vnpt desk", "operator", "vnpt")) as client:
        yield client


def faults(answer: Any) -> dict[str, str]:
    return {each["field"]: each["detail"] for each in answer.json()["errors"]}


def test_a_carrier_states_its_figures(operator: Client, db: Database) -> None:
    held(db)
    made = operator.post(URL, json=body())
    assert made.status_code == 201, made.text
    found = made.json()
    assert (found["kind"], found["level"], found["paper"]["version"]) == ("stated", "handset", 1)
    assert found["figures"]["general"]["no_receipt"] == 20
    kept = db.read(carrier_statement.latest, 2)
    assert kept is not None
    assert (kept.carrier, kept.figures.general.excluded, kept.figures.areas[0].name) == (
        "viettel",
        30,
        "Thành phố Sơn La",
    )
    assert [each["paper"]["number"] for each in operator.get(URL).json()] == ["125/BC-VTSL"]


def test_a_correction_is_a_new_version_with_its_reason(operator: Client, db: Database) -> None:
    held(db)
    operator.post(URL, json=body())
    refused = operator.post(URL, json=body())
    assert (refused.status_code, "reason" in faults(refused)) == (422, True)
    general = body()["general"] | {"received": 905, "failed": 45}
    fewer = {"general": general, "areas": [], "days": [], "reasons": []}
    made = operator.post(URL, json=body(reason="Biên nhận về muộn", **fewer))
    assert made.json()["paper"]["version"] == 2
    versions = db.read(carrier_statement.versions, 2)
    assert [each.figures.general.received for each in versions] == [900, 905]
    assert db.read(carrier_statement.latest, 2, versions[0].paper.at_ms - 1) is None
    assert {each.first_ms for each in versions} == {versions[0].paper.received_ms}
    noted = db.read(
        lambda c: c.execute(select(audit.c.detail).where(audit.c.action == "run.stated")).scalars().all()
    )
    assert [each.get("reason") for each in noted] == [None, "Biên nhận về muộn"]


def test_nothing_of_a_wrong_statement_is_kept(operator: Client, db: Database) -> None:
    held(db)
    general = {"eligible": 1000, "excluded": 30, "sent": 960, "received": 900, "failed": 50, "no_receipt": 20}
    answer = operator.post(URL, json=body(general=general))
    assert answer.status_code == 422
    assert "general.sent" in faults(answer)
    assert "areas.total.sent" in faults(answer)
    assert db.read(lambda c: c.execute(select(func.count()).select_from(statements)).scalar_one()) == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"level": "none"}, "general.received"),
        ({"general": {"eligible": 1000, "sent": 970, "received": 900}}, "general.failed"),
        (
            {"areas": [{"code": "999", "eligible": 1000, "sent": 970, "received": 900, "failed": 50}]},
            "areas.0.code",
        ),
        ({"reasons": [{"key": "weather", "n": 50}]}, "reasons.0.key"),
        ({"reasons": [{"key": "expired", "n": 20}, {"key": "expired", "n": 30}]}, "reasons.1.key"),
        ({"cutoff_at": "2044-01-01T00:00:00+07:00"}, "cutoff"),
        ({"note": "Gọi 0912345678"}, "note"),
        ({"attachment": "0" * 64}, "attachment"),
    ],
)
def test_each_fault_names_its_field(
    operator: Client, db: Database, changes: dict[str, Any], field: str
) -> None:
    held(db)
    answer = operator.post(URL, json=body(**changes))
    assert answer.status_code == 422
    assert field in faults(answer), faults(answer)


def test_another_carrier_finds_no_such_run(other: Client, db: Database) -> None:
    held(db)
    assert other.post(URL, json=body()).status_code == 404
    assert other.get(URL).status_code == 404
    assert other.get("/v1/runs/2/statement-form").status_code == 404


def test_a_run_that_has_not_started_has_nothing_to_state(operator: Client, db: Database) -> None:
    held(db)
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == 2).values(state="planned")))
    assert operator.post(URL, json=body()).status_code == 409


# ---- by hand, with a scan ------------------------------------------------------------------------------


def test_figures_by_hand_carry_their_scan(client: Client, operator: Client, db: Database) -> None:
    held(db)
    assert "attachment" in faults(client.post(URL, json=body(kind="manual")))
    scan = client.post("/v1/attachments", files={"file": ("bao-cao.pdf", PDF)})
    assert (scan.status_code, scan.json()["media_type"]) == (201, "application/pdf")
    sha256 = scan.json()["sha256"]
    made = client.post(URL, json=body(kind="manual", attachment=sha256))
    assert (made.status_code, made.json()["kind"]) == (201, "manual")
    kept = db.read(carrier_statement.latest, 2)
    assert kept is not None
    assert kept.paper.attachment is not None
    assert (kept.kind, kept.paper.attachment.name) == (FigureSource.MANUAL, "bao-cao.pdf")
    assert client.get(f"/v1/attachments/{sha256}").content == PDF
    assert operator.get(f"/v1/attachments/{sha256}").status_code == 404


def test_a_carriers_own_operator_states_and_does_not_enter_by_hand(operator: Client, db: Database) -> None:
    held(db)
    sha256 = operator.post("/v1/attachments", files={"file": ("a.pdf", PDF)}).json()["sha256"]
    assert operator.get(f"/v1/attachments/{sha256}").status_code == 200
    assert operator.post(URL, json=body(kind="manual", attachment=sha256)).status_code == 403


def _handed_in(by: Client, content: bytes, name: str = "a.pdf") -> str:
    answer = by.post("/v1/attachments", files={"file": (name, content)})
    assert (answer.status_code, answer.json()["name"]) == (201, name)
    return str(answer.json()["sha256"])


def _named(by: Client, sha256: str, db: Database) -> list[tuple[int, Any]]:
    """What each place says that takes the sha256 of a scan, without what differs in every answer."""
    workbook = {"file": ("f.xlsx", filled(FILLED, head=db.read(statement_workbook.head, 2)))}
    answers = (
        by.post(URL, json=body(attachment=sha256)),
        by.post("/v1/runs/2/statement-form", files=workbook, data={"attachment": sha256}),
    )
    return [(each.status_code, each.json().get("errors")) for each in answers]


def test_another_s_scan_can_be_named_no_more_than_one_that_nobody_handed_in(
    client: Client, operator: Client, other: Client, db: Database
) -> None:
    held(db)
    nobodys = _named(operator, "0" * 64, db)
    assert [status for status, _ in nobodys] == [422, 422]
    for by, content in ((other, PDF + b"vnpt"), (client, PDF + b"office")):
        sha256 = _handed_in(by, content)
        assert _named(operator, sha256, db) == nobodys
        assert operator.get(f"/v1/attachments/{sha256}").status_code == 404
    assert db.read(carrier_statement.latest, 2) is None


def test_a_colleagues_scan_of_the_same_carrier_is_read_and_named(
    application: FastAPI, operator: Client, db: Database
) -> None:
    held(db)
    with Client(application, db.write(create_key, "viettel night", "operator", "viettel")) as colleague:
        sha256 = _handed_in(colleague, PDF)
    assert operator.get(f"/v1/attachments/{sha256}").content == PDF
    made = operator.post(URL, json=body(attachment=sha256))
    assert (made.status_code, made.json()["paper"]["attachment"]["sha256"]) == (201, sha256)


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("a.pdf", PDF, 201),
        ("a.png", b"\x89PNG\r\n\x1a\n" + b"0" * 9, 201),
        ("a.jpg", b"\xff\xd8\xff\xe0" + b"0" * 9, 201),
        ("a.pdf", b"<script>", 422),
        ("a.pdf", b"", 422),
        ("a.pdf", b"%PDF-" + b"0" * 1_048_577, 413),
    ],
)
def test_a_scan_is_told_by_its_first_bytes_and_bounded(
    application: FastAPI, client: Client, name: str, content: bytes, status: int
) -> None:
    application.state.settings.attachment_limit_mb = 1
    assert client.post("/v1/attachments", files={"file": (name, content)}).status_code == status


def test_the_same_scan_of_one_account_is_kept_once(client: Client, db: Database) -> None:
    sha256 = {
        client.post("/v1/attachments", files={"file": (name, PDF)}).json()["sha256"]
        for name in ("a.pdf", "b.pdf")
    }
    assert len(sha256) == 1
    assert db.read(lambda c: c.execute(select(func.count()).select_from(attachments)).scalar_one()) == 1


def test_each_who_hands_in_the_same_bytes_has_its_own_file_and_name(
    client: Client, operator: Client, other: Client, db: Database
) -> None:
    held(db)
    everybody = ((other, "vnpt, confidential.pdf"), (operator, "ours.pdf"), (client, "the office's.pdf"))
    sha256 = {_handed_in(by, PDF, name) for by, name in everybody}
    assert len(sha256) == 1
    for by, name in everybody:
        got = by.get(f"/v1/attachments/{next(iter(sha256))}")
        assert (got.status_code, got.content) == (200, PDF)
        assert quote(name) in got.headers["Content-Disposition"].replace('"', "'").split("'")[1:]
    made = operator.post(URL, json=body(attachment=sha256.pop()))
    assert (made.status_code, made.json()["paper"]["attachment"]["name"]) == (201, "ours.pdf")


# ---- by the workbook ------------------------------------------------------------------------------------


def test_the_workbook_goes_out_and_comes_back(operator: Client, db: Database) -> None:
    held(db)
    empty = operator.get("/v1/runs/2/statement-form")
    assert empty.content[:2] == b"PK"
    assert "loa-run-2-form.xlsx" in empty.headers["Content-Disposition"]
    head = db.read(statement_workbook.head, 2)
    assert head.codes == ("116", "125")
    wrong = operator.post(
        "/v1/runs/2/statement-form", files={"file": ("f.xlsx", filled({("Biểu 1", "D4"): "x"}, head=head))}
    )
    assert wrong.status_code == 422
    assert "không phải là số" in faults(wrong)["Biểu 1!D4"]
    right = operator.post("/v1/runs/2/statement-form", files={"file": ("f.xlsx", filled(FILLED, head=head))})
    assert right.status_code == 201, right.text
    assert (right.json()["paper"]["source"], right.json()["kind"]) == ("workbook", "stated")


@pytest.mark.parametrize(
    ("name", "content", "saved"),
    [
        ("bao cao.PDF", PDF, "*=UTF-8''bao%20cao.PDF"),
        ("a.html", PDF, '"a.html.pdf"'),
        ("a.exe", b"\x89PNG\r\n\x1a\n<script>", '"a.exe.png"'),
        ("a.jpeg", b"\xff\xd8\xff", '"a.jpeg"'),
        ('a"; x=".pdf', PDF, "*=UTF-8''a%2522%3B%20x%3D%2522.pdf"),
        ('báo\r\nX: 1";.pdf', PDF, "*=UTF-8''b%C3%A1o%250D%250AX%3A%201%2522%3B.pdf"),
    ],
)
def test_a_scan_is_saved_by_a_name_of_its_kind_that_ends_no_header(
    client: Client, name: str, content: bytes, saved: str
) -> None:
    """Whatever it was called when it came: what a click on it starts goes by the ending."""
    kept = client.post("/v1/attachments", files={"file": (name, content)}).json()
    head = client.get(f"/v1/attachments/{kept['sha256']}").headers
    assert head["Content-Disposition"] == f"attachment; filename{saved if saved[0] == '*' else '=' + saved}"
    assert head["X-Content-Type-Options"] == "nosniff"

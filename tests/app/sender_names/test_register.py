"""The register of sender names: kept by hand or from a table, by each carrier's own people."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, select

from app.api.pasted_table import read_table
from app.core.config import Settings
from app.core.errors import Invalid, NotFound
from app.database.connection import Database
from app.database.models import audit
from app.operations import Transaction
from app.security import Caller, create_key
from app.security.roles import Role
from app.sender_names import register
from tests.app.at_once import while_open
from tests.app.client import Client
from tests.operations import carry_out

NAME: dict[str, Any] = {
    "carrier": "vnpt",
    "name": "CA SON LA",
    "state": "registered",
    "valid_to": "2099-11-04",
}


def add(client: Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/sender-names", json=NAME | fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_an_entry_is_kept_changed_listed_and_removed_and_the_audit_has_each(
    client: Client, db: Database
) -> None:
    made = add(client, certificate="12/GCN", contact="Phòng KHDN")
    assert client.get("/v1/sender-names").json() == [made]
    changed = client.put(f"/v1/sender-names/{made['id']}", json=NAME | {"state": "refused"}).json()
    assert (changed["state"], changed["certificate"]) == ("refused", None)
    assert client.delete(f"/v1/sender-names/{made['id']}").status_code == 204
    assert client.get("/v1/sender-names").json() == []
    query = select(audit.c.action, audit.c.subject).where(audit.c.action.like("sender-name.%"))
    assert [tuple(row) for row in db.read(lambda c: c.execute(query).all())] == [
        ("sender-name.add", "sender-name/vnpt/CA SON LA"),
        ("sender-name.change", "sender-name/vnpt/CA SON LA"),
        ("sender-name.remove", "sender-name/vnpt/CA SON LA"),
    ]
    assert client.put(f"/v1/sender-names/{made['id']}", json=NAME).status_code == 404


def test_an_entry_whose_last_day_is_past_is_expired(client: Client) -> None:
    assert add(client, valid_to="2024-02-09")["state"] == "expired"
    assert add(client, valid_to="2024-02-09", state="asked")["state"] == "asked"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "CONG AN TINH"}, "name"),
        ({"name": "0912"}, "name"),
        ({"name": " CA"}, "name"),
        ({"carrier": "vntp"}, "carrier"),
        ({"valid_from": "2099-12-01"}, "valid_to"),
        ({"template_code": "800123"}, "template"),
        ({"template": "Chao {X}"}, "template"),
        ({"purpose": "quang_cao"}, "purpose"),
        ({"state": "good"}, "state"),
        ({"valid_to": "31/02/2027"}, "valid_to"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(
    client: Client, fields: dict[str, Any], field: str
) -> None:
    answer = client.post("/v1/sender-names", json=NAME | fields)
    assert (answer.status_code, client.get("/v1/sender-names").json()) == (422, [])
    assert field in answer.json()["errors"][0]["field"]


def test_an_operator_keeps_the_entries_of_its_carrier_alone(
    client: Client, application: FastAPI, db: Database
) -> None:
    others = add(client)["id"]
    key = db.write(create_key, "vt", "operator", "viettel")
    with Client(application, key) as operator:
        assert operator.get("/v1/sender-names").json() == []
        assert operator.put(f"/v1/sender-names/{others}", json=NAME).status_code == 404
        assert operator.delete(f"/v1/sender-names/{others}").status_code == 404
        assert operator.post("/v1/sender-names", json=NAME).status_code == 403
        table = {"table": "carrier,name\nviettel,CA SON LA\nvnpt,X"}
        assert operator.post("/v1/sender-names/import", json=table).status_code == 403
        assert operator.put("/v1/registration-rules/vnpt", json={"lead_days": 3}).status_code == 403
        own = add(operator, carrier="viettel")["id"]
        assert (
            operator.put(f"/v1/sender-names/{own}", json=NAME).status_code == 403
        )  # it can't be given to another carrier
        assert [each["id"] for each in operator.get("/v1/sender-names").json()] == [own]
    with Client(application, db.write(create_key, "reader", "auditor")) as auditor:
        assert auditor.post("/v1/sender-names", json=NAME).status_code == 403
        assert len(auditor.get("/v1/sender-names", params={"carrier": "vnpt"}).json()) == 1


def test_a_table_of_an_office_is_imported_and_the_same_table_again_changes_nothing(db: Database) -> None:
    table = (
        "\ufeffCarrier;Name;State;Valid_to;Template_code;Template\r\n"
        "viettel;CA SON LA;registered;04/11/2099;;\r\n"
        "vnpt;CA SON LA;registered;2099-11-04;800123;CA SON LA canh bao: {D,160}\r\n"
        ";;;;;\r\n"
    )
    for expected in ((2, 0), (0, 2)):
        found = carry_out(db, "import_sender_names", body=register.ImportBody(table=table))
        assert (found.added, found.replaced) == expected
    names = db.read(register.names)
    assert [(each.carrier, each.valid_to, each.template_code) for each in names] == [
        ("viettel", date(2099, 11, 4), None),
        ("vnpt", date(2099, 11, 4), "800123"),
    ]


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_of_two_imports_at_once_the_second_replaces_what_the_first_has_added(db: Database) -> None:
    body = register.ImportBody(table="carrier,name\nvnpt,CA SON LA\n")
    who = Caller("lan", Role.ADMIN, person=True)

    def first(connection: Connection) -> None:
        tx = Transaction(db=db, settings=Settings(), who=who, action="x", connection=connection)
        register.import_sender_names(tx, body)

    found: list[register.Imported] = []
    while_open(db, first, lambda: found.append(carry_out(db, "import_sender_names", body=body)))
    assert found == [register.Imported(added=0, replaced=1)]
    assert len(db.read(register.names)) == 1


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_of_two_removals_at_once_the_second_finds_nothing(db: Database) -> None:
    entry = carry_out(db, "add_sender_name", body=register.NameBody(carrier="vnpt", name="CA SON LA")).id
    who = Caller("lan", Role.ADMIN, person=True)

    def first(connection: Connection) -> None:
        tx = Transaction(db=db, settings=Settings(), who=who, action="x", connection=connection)
        register.remove_sender_name(tx, entry)

    def second() -> None:
        with pytest.raises(NotFound):
            carry_out(db, "remove_sender_name", sender_name_id=entry)

    while_open(db, first, second)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("carrier,name\nvnpt,CA SON LA\nvnpt,12345", "Line 3: The sender must be"),
        ("carrier,name\nvnpt,CA SON LA,x", "Line 2 has more cells"),
        ("carrier,name\nvntp,CA SON LA", "Line 2: Carrier “vntp” does not exist"),
        ('carrier,name\nvnpt,"CA', "The table is not CSV"),
        ('"carrier,name\nvnpt,CA', "The table is not CSV"),
        ("carrier,Name,name\nvnpt,CA SON LA,CA", "Line 1: name was given twice"),
        (
            "carrier,name,valid_to\nvnpt,CA SON LA,2099-01-01\nvnpt,ca son la,2099-12-31",
            "Lines 2 and 3 are the same registration",
        ),
        ("carrier,name\n", "The table needs 1 to 2000 lines"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_imported(db: Database, table: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        carry_out(db, "import_sender_names", body=register.ImportBody(table=table))
    assert db.read(register.names) == []


def test_a_table_has_at_most_two_thousand_lines() -> None:
    head, line = "carrier,name\n", "vnpt,CA SON LA\n"
    assert len(read_table(head + line * 2000, register.NameBody)) == 2000
    with pytest.raises(Invalid, match="1 to 2000 lines"):
        read_table(head + line * 2001, register.NameBody)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_template_of_several_lines_keeps_them_in_a_table(db: Database, end: str) -> None:
    rows = ("carrier,name,template", 'vnpt,CA SON LA,"Canh giac.', '{D,100}"', "vnpt,CA KHAC,")
    carry_out(db, "import_sender_names", body=register.ImportBody(table=end.join(rows)))
    assert [each.template for each in db.read(register.names)] == [None, "Canh giac.\n{D,100}"]


def test_a_scan_is_filed_as_the_paper_and_stays_when_the_entry_changes(client: Client) -> None:
    made = add(client)
    paper = f"/v1/sender-names/{made['id']}/paper"
    assert client.put(paper, json={"attachment": "0" * 64}).status_code == 422
    scan = {"file": ("giay.pdf", b"%PDF-1.4 x", "application/pdf")}
    sha256 = client.post("/v1/attachments", files=scan).json()["sha256"]
    assert client.put(paper, json={"attachment": sha256}).json()["paper"] == sha256
    assert client.put(f"/v1/sender-names/{made['id']}", json=NAME).json()["paper"] == sha256


def test_an_operator_reads_the_papers_of_its_carrier_and_no_others(
    client: Client, application: FastAPI, db: Database
) -> None:
    shas = {}
    for carrier in ("vnpt", "viettel"):
        made = add(client, carrier=carrier)
        scan = {"file": ("giay.pdf", b"%PDF-1.4 " + carrier.encode(), "application/pdf")}
        shas[carrier] = client.post("/v1/attachments", files=scan).json()["sha256"]
        client.put(f"/v1/sender-names/{made['id']}/paper", json={"attachment": shas[carrier]})
    with Client(application, db.write(create_key, "vt", "operator", "viettel")) as operator:
        (own,) = operator.get("/v1/sender-names").json()
        assert operator.get(f"/v1/attachments/{shas['viettel']}").status_code == 200
        assert operator.get(f"/v1/attachments/{shas['vnpt']}").status_code == 404
        stolen = {"attachment": shas["vnpt"]}
        assert operator.put(f"/v1/sender-names/{own['id']}/paper", json=stolen).status_code == 422


def test_a_carrier_s_rules_are_the_usual_ones_until_somebody_enters_them(client: Client) -> None:
    add(client)
    (usual,) = client.get("/v1/registration-rules").json()
    assert (usual["carrier"], usual["lead_days"], usual["needs_template"], usual["known"]) == (
        *("vnpt", 35, False, False),
    )
    said = {"lead_days": 10, "needs_template": True, "forbidden_words": ["trúng thưởng"]}
    for _ in range(2):
        assert (
            client.put("/v1/registration-rules/vnpt", json=said).json()
            == {"carrier": "vnpt", "known": True} | said
        )

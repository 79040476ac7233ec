"""What people write and Loa keeps has no mobile number, at every door: the field and the remedy are said."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from app.accounts import service
from app.accounts.schemas import NewPasswordBody, PersonBody
from app.accounts.service import NewPerson
from app.api.bodies import filled
from app.campaigns.schemas import FollowUpBody
from app.cli import app as loa
from app.cli import campaign_commands, report_commands
from app.core.errors import Invalid
from app.database.connection import Database
from app.directives.notices import FailedNotices
from app.dispatch.decisions import WriteOffBody
from app.reports.figures.addressees import OutreachChannel, OutreachItem
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import external_activity
from app.reports.intake.external_activity import OutreachClaim
from app.reports.intake.schemas import OutreachBody
from app.reports.intake.statement_input import Circumstances, PaperClaim
from app.reports.intake.statement_rules import paper_faults
from app.sender_names.register import ImportBody, NameBody
from app.signed_orders.keys import FingerprintBody, SigningKeyBody
from app.signed_orders.results import ResultBody
from app.telephone_panel.register import PanelImportBody
from tests.app.cli.test_campaign_commands import Shell
from tests.app.client import Client
from tests.engines import sqlite_alone
from tests.long.app.web.fields import models
from tests.operations import new_key

database_url = sqlite_alone

WORDS = "Gọi 0912.345.678 nhé"
HOTLINES = "113, 1900 1234, 0212 3852 321"
ISSUED = {"number": "125", "dated_on": "2024-02-09", "signer": "Đại tá A"}
PAPER = ("--number", "125", "--on", "2024-02-09", "--signer", "Đại tá A")


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    return Shell(database_url, tmp_path)


# Fields that take it, and why: the rest of the text fields of all forms refuse it.
ELSEWHERE = {
    "contact": "whom addressees may ask: an office says how it is reached",
    "phone": "the number that is meant",
    "numbers": "those that are meant",
    "reference": "masked as it is stored",
    "why": "masked as it is stored",
    "note": "refused by app/reports/intake/statement_rules.py",
    "url": "refused by app/reports/intake/external_activity.py",
    "text": "approved by a second person, and sent",
    **dict.fromkeys(
        ("purpose", "sender", "text_key", "carrier", "areas", "area", "code"), "one of those that there are"
    ),
}
# The same of one form alone.
OWN = {
    (OutreachBody, "reason"): "refused by app/reports/intake/statement_rules.py",
    (PersonBody, "name"): "refused by app/accounts/service.py",
    **dict.fromkeys(((PersonBody, "password"), (NewPasswordBody, "password")), "kept as a hash alone"),
    (FollowUpBody, "causes"): "outcome, reason and code of the carrier, as Loa lists them",
    (NameBody, "template"): "a carrier's text, which a campaign's has to fit",
    (ImportBody, "table"): "each line is read as a NameBody",
    (PanelImportBody, "table"): "each line is read as a TelephoneBody",
    (FailedNotices, "target"): "one of those that there are",
    (SigningKeyBody, "key"): "read as a key",
    (FingerprintBody, "fingerprint"): "compared, and not kept",
    (ResultBody, "payload"): "what a carrier has signed, byte by byte",
}


def faults(model: type[BaseModel], name: str, value: Any) -> list[str]:
    """What is wrong with this field."""
    try:
        filled(model, {name: value})
    except Invalid as error:
        return [said for field, said in error.faults if field.split(".")[0] == name]
    return []


@pytest.mark.parametrize("model", [*models(), WriteOffBody], ids=lambda model: model.__name__)
def test_every_field_of_words_refuses_a_mobile_number_and_takes_a_hotline(model: type[BaseModel]) -> None:
    for name in model.model_fields:
        for value in (WORDS, [WORDS]):
            said = faults(model, name, value)
            assert said or name in ELSEWHERE or (model, name) in OWN, name
            if any("contains a mobile number" in each for each in said):
                assert "912" not in said[0]
                assert faults(model, name, HOTLINES if value is WORDS else [HOTLINES]) == []


SO = {"name": "So Tu phap", "kind": "department"}
DOORS: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/campaigns", {"name": WORDS, "purpose": "tuyen_truyen", "sender": "CA"}, "name"),
    ("POST", "/campaigns/1/reject", {"reason": WORDS}, "reason"),
    ("PUT", "/directives/1/addressees", {"name": WORDS, "kind": "department"}, "name"),
    ("PUT", "/directives/1/addressees", SO | {"email": "0912345678@gmail.com"}, "email"),
    ("POST", "/keys", {"name": "key 0912345678", "role": "auditor"}, "name"),
    ("POST", "/users", {"name": "0912345678", "role": "auditor", "password": "xanh la cay cau vong"}, "name"),
    ("POST", "/reports/1/issue", ISSUED | {"proposals": WORDS}, "proposals"),
    ("POST", "/sender-names", {"carrier": "vnpt", "name": "A0912345678"}, "name"),
    ("POST", "/sender-names/import", {"table": "carrier,name\nvnpt,A0912345678\n"}, "table"),
    ("PUT", "/registration-rules/vnpt", {"lead_days": 35, "forbidden_words": [WORDS]}, "forbidden_words.0"),
]


@pytest.mark.parametrize(("method", "path", "body", "field"), DOORS)
def test_the_api_names_field_and_remedy_and_repeats_no_number(
    client: Client, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    answer = client.request(method, f"/v1{path}", json=body)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    said = {each["field"].removeprefix("body."): each["detail"] for each in problem["errors"]}
    assert "Remove the number" in said[field]
    del problem["request_id"]  # hexadecimal by chance, so it may hold any three digits
    assert not {"345", "912"} & set(re.findall("[0-9]+", str(problem)))


@pytest.mark.parametrize("carrier", ["0912345678", "0912-345-678", "viettell"])
def test_an_addressee_has_no_carrier_that_there_is_not(client: Client, carrier: str) -> None:
    answer = client.put("/v1/directives/1/addressees", json=SO | {"kind": "carrier", "carrier": carrier})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].removeprefix("body.") == "carrier"
    told = client.put("/v1/directives/1/addressees", json=SO | {"carrier": "vnpt"})
    assert told.status_code == 404  # a carrier that there is; only the directive is none


@pytest.mark.parametrize(
    "sender",
    ["0912 345678", "0912.345678", "0912-345678", "0912_345678", "A0912345678", "CA912345678", "O912345678"],
)
def test_no_sender_is_a_number_in_any_spelling(client: Client, sender: str) -> None:
    asked = {"name": "x", "purpose": "tuyen_truyen", "sender": sender, "text": "Canh giac lua dao"}
    answer = client.post("/v1/campaigns", json=asked)
    assert answer.status_code == 422, answer.text
    assert [each["field"].removeprefix("body.") for each in answer.json()["errors"]] == ["sender"]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("languages", WORDS),
        *(("url", f"https://zalo.me/{each}") for each in ("0912345678", "%30912345678", "0912_345_678")),
        ("url", "https://zalo.me/%2530912345678"),
    ],
)
def test_an_addressees_report_has_none_in_languages_and_addresses(field: str, said: str) -> None:
    item = OutreachItem(OutreachChannel.LOUDSPEAKER, 1)
    around = Circumstances(now_ms=1, correcting=False)
    for value, wrong in ((said, True), ("https://congan.gov.vn/02123852123", False)):
        claim = OutreachClaim("A", (replace(item, **{field: value}),), PaperClaim(EntrySource.API))
        found = [each.sentence.en for each in external_activity.faults(claim, around)]
        assert any("Remove the phone number" in each for each in found) == wrong, found


def test_nobody_and_no_key_is_named_by_a_number(db: Database) -> None:
    with pytest.raises(Invalid, match="name contains a mobile number, which is personal data"):
        new_key(db, "lan 0912345678")
    with pytest.raises(Invalid, match="name contains a mobile number, which is personal data"):
        db.write(service.add_hashed, NewPerson("0912.345.678", "auditor"), "x", "an")


def test_the_commands_say_the_same(shell: Shell) -> None:
    for app, field, arguments in (
        (campaign_commands.app, "reason", ("reject", "1", "--reason", WORDS)),
        (loa, "name", ("key", "add", "key 0912345678")),
        (report_commands.app, "proposals", ("issue", "1", *PAPER, "--remark", f"proposals={WORDS}")),
    ):
        with pytest.raises(Invalid, match=f"^{field} contains a mobile number, which is personal data"):
            shell(app, *arguments)


@pytest.mark.parametrize("field", ["number", "note", "reason"])
def test_a_workbook_takes_no_number_in_any_spelling_either(field: str) -> None:
    """What is read from a carrier's or addressee's form passes no body of the API."""
    around = Circumstances(now_ms=1, correcting=False)
    for said, wrong in ((WORDS, True), ("so0912345678nhe", True), ("125/BC-STP", False)):
        paper = PaperClaim(EntrySource.WORKBOOK, **{field: said})
        found = list(paper_faults(paper, around))
        assert (["Remove the phone number" in each.sentence.en for each in found] == [True]) == wrong, said
        assert bool(found) == wrong

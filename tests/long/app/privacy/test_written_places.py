"""A number in names, reasons, letters and papers of before is found, and certificates of erasures say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update

from app.core import clock
from app.database import models as m
from app.database.connection import Database
from app.privacy.person_data import HeldKind, HeldWhy, find, person_data
from app.privacy.person_requests import RequestKind
from app.reports.papers.final_paper import Issue
from app.reports.release.issue import issue
from app.security import audit
from tests.app.world import FIRST_PHONE, build
from tests.engines import other_by_hand
from tests.long.app.privacy.test_person_requests import DONE, LAN, NUMBER, answering, ask
from tests.long.app.reports.conftest import two_versions

SPELT = f"goi {NUMBER[:4]}.{NUMBER[4:7]}.{NUMBER[7:]} nhe"
NEIGHBOUR = f"goi 0{str(FIRST_PHONE + 1)[2:]}"


def letter(c: Connection, **words: Any) -> None:
    row = {"number": "1", "issued_on": "2024-01-29", "issuer": "CAT", "subject": "x", "addressees": []}
    c.execute(insert(m.directives).values(row | {"created_at": 5, "created_by": "an"} | words))


def decision(c: Connection, reason: str) -> None:
    row = {"campaign_id": 1, "digest": "", "decision": "rejected", "at": 6, "by": "an", "reason": reason}
    c.execute(insert(m.approvals).values(row))


def called(c: Connection, name: str) -> None:
    row = {"name": name, "prefix": "x", "secret_hash": b"", "role": "auditor", "created_at": 7}
    c.execute(insert(m.api_keys).values(row))
    audit.note(c, "an", "key.add", f"key/{name}")
    audit.note(c, name, "campaign.create", "campaign/1")


def registered(c: Connection, contact: str) -> None:
    c.execute(m.sender_names.delete())
    row = {"carrier": "vnpt", "name": "CA SON LA", "state": "asked", "changed_at": 8, "changed_by": "an"}
    c.execute(insert(m.sender_names).values(row | {"contact": contact}))


WRITTEN = {
    "campaign/1": lambda c, said: c.execute(update(m.campaigns).values(name=said)),
    "directive/1": lambda c, said: letter(c, addressees=["VNPT", said]),
    "approval/1": decision,
    "sender-name/1": registered,
}


@pytest.mark.parametrize("record", WRITTEN)
def test_each_record_that_names_the_number_is_a_place_of_its_own(db: Database, record: str) -> None:
    build(db, 1)
    db.write(lambda c: c.execute(m.approvals.delete()))
    db.write(WRITTEN[record], NEIGHBOUR)
    assert list(db.read(lambda c: list(find(c, FIRST_PHONE)))) == []
    db.write(lambda c: [c.execute(table.delete()) for table in (m.directives, m.approvals)])
    db.write(WRITTEN[record], SPELT)
    (found,) = db.read(lambda c: list(find(c, FIRST_PHONE)))
    assert (found.name.split("/")[0], found.n) == (record.split("/")[0], 1)


def test_the_certificate_names_them_and_says_what_the_audit_has(db: Database) -> None:
    world = build(db, 1)
    plain = answering(world).answer(ask(db, RequestKind.ERASE).id, DONE).paper
    assert "- Nhật ký, chỉ có số đã che.\n- Số tổng hợp và báo cáo đã chốt: không có số thuê bao." in plain
    db.write(WRITTEN["campaign/1"], SPELT)
    db.write(called, f"key {NUMBER}")
    held = [each for each in person_data(db, NUMBER, LAN).held if each.kind is HeldKind.WRITTEN]
    assert {(each.name, each.n, each.why) for each in held} == {
        ("campaign/1", 1, HeldWhy.RECORDS),
        ("key/key 8491*****00", 1, HeldWhy.RECORDS),
        ("audit", 2, HeldWhy.RECORDS),
    }
    paper = answering(world).answer(ask(db, RequestKind.ERASE).id, DONE).paper
    kept = paper.split("Giữ lại, vì:")[1]
    for each in ("campaign/1, 1 dòng", "key/key 8491*****00, 1 dòng", "audit, 2 dòng"):
        assert f"- Hồ sơ của đơn vị có nêu số này: {each}: là hồ sơ của đơn vị" in kept
    assert "- Nhật ký, chỉ có số đã che ngoài các hồ sơ nêu trên." in kept
    assert "không có số thuê bao ngoài các hồ sơ nêu trên." in kept
    assert NUMBER[1:] not in paper.replace(".", "")


@pytest.mark.prove
@other_by_hand
def test_a_remark_in_an_issued_paper_is_found(db: Database, tmp_path: Path) -> None:
    freezer, (first, _) = two_versions(db, tmp_path)
    today = clock.local(clock.now()).date()
    issue(freezer, first.id, None, Issue("125", today, "Đại tá A", {"strengths": SPELT}))
    (found,) = db.read(lambda c: list(find(c, FIRST_PHONE)))
    assert (found.name, found.n) == (f"report/{first.id}", 1)
    assert db.read(lambda c: list(find(c, FIRST_PHONE + 1))) == []

"""Who said what a link's receipts prove: kept with the link, in the audit, and asked for where nobody did."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import audit
from app.diagnostics import doctor
from app.dispatch import link_store
from app.dispatch.link_store import LinkRecord
from carriers.contract import ReceiptLevel
from tests.operations import carry_out

FACTS = LinkRecord("viettel-1", "viettel", "viettel-1", 100.0, ReceiptLevel.OPERATOR)
SAID = {"level_source": "Letter 12/VT of Viettel Son La", "level_source_on": date(2026, 11, 2)}


def acts(db: Database) -> list[dict[str, Any]]:
    query = select(audit.c.detail).where(audit.c.action == "link.receipt_level").order_by(audit.c.id)
    rows = [row.detail for row in db.read(lambda c: c.execute(query).all())]
    return [{name: value for name, value in row.items() if name != "kept"} for row in rows]


def test_a_change_of_what_receipts_prove_is_in_the_audit_with_who_said_so(db: Database) -> None:
    db.write(link_store.register, FACTS)
    db.write(link_store.register, FACTS)
    first = {"level": "operator", "source": None, "on": None}
    assert acts(db) == [first]  # of a new link, too: by it the level is compared later
    for _ in range(2):
        db.write(link_store.register, replace(FACTS, receipt_level=ReceiptLevel.HANDSET, **SAID))
    db.write(link_store.register, FACTS)
    assert acts(db) == [
        first,
        {"level": "handset", "source": SAID["level_source"], "on": "2026-11-02"},
        {"level": "operator", "source": None, "on": None},
    ]


def test_the_list_of_links_says_who_said_so(db: Database) -> None:
    db.write(link_store.register, replace(FACTS, receipt_level=ReceiptLevel.HANDSET, **SAID))
    (link,) = carry_out(db, "list_links")
    assert (link.receipt_level, link.level_source, link.level_source_on) == (
        *("handset", SAID["level_source"], "2026-11-02"),
    )


def test_doctor_names_a_link_that_proves_the_telephone_by_nobodys_word(tmp_path: Path) -> None:
    link = {"carrier": "viettel", "host": "127.0.0.1", "port": 1, "system_id": "x", "segments_per_second": 1}
    said = {"receipt_level_source": "Letter 12/VT of Viettel", "receipt_level_on": "2026-11-02"}
    links = {"a": link | {"receipt_level": "handset"}, "b": link | {"receipt_level": "handset"} | said}
    settings = Settings.model_validate({"links": links | {"c": link | {"receipt_level": "operator"}}})
    found = [each.what for each in doctor.wiring(settings) if "does not name who confirmed this" in each.what]
    assert [what.split()[1] for what in found] == ["a"]

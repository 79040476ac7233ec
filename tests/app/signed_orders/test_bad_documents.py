"""Altered, replayed, re-signed, truncated, reordered, future and foreign documents: all are refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.core import clock
from app.core.errors import AppError, Invalid
from app.core.masking import holds_mobile
from app.database.connection import Database
from app.database.models import statements
from app.signed_orders import formats, loa_carrier
from app.signed_orders.loa_carrier import ORDER, Refused
from tests.app.campaigns.test_held_runs import approved
from tests.app.signed_orders import bad_documents
from tests.app.signed_orders.documents import POLICE, STRANGER, keys, order, signed_order
from tests.app.signed_orders.scene import answer, fetched, issue, ordered, take
from tests.app.signed_orders.test_keys import in_force
from tests.engines import by_default

database_url = by_default


@pytest.mark.longer
@pytest.mark.timeout(120)
def test_not_one_of_300_bad_results_is_taken_and_each_is_refused_in_words(
    db: Database, tmp_path: Path
) -> None:
    run_id = ordered(db)
    in_force(db, STRANGER, "viettel")
    about = fetched(db, run_id)
    other = approved(db, name="Đợt hai")
    issue(db, other)
    foreign = [fetched(db, other), signed_order(), signed_order(STRANGER, number="5-1")]
    taken = answer(about, version=2, changes="Thêm")
    take(db, run_id, taken)
    good = loa_carrier.read(taken).content
    file = tmp_path / "bad.jsonl"
    file.write_text(bad_documents.written(bad_documents.results(good, taken, foreign, clock.now())), "utf-8")
    documents = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert len({each["document"] for each in documents}) >= 300
    accepted = []
    for each in documents:
        try:
            take(db, run_id, base64.b64decode(each["document"]))
            accepted.append(each["why"])
        except AppError as refusal:
            said = " ".join(sentence for _, sentence in refusal.faults) or refusal.detail
            assert said.endswith("."), (each["why"], said)
            assert not holds_mobile(said), each["why"]
    assert accepted == []
    assert db.read(lambda c: c.execute(select(func.count()).select_from(statements)).scalar()) == 1
    fresh = loa_carrier.sign(good | {"version": 3, "changes": "Bổ sung"}, bad_documents.CARRIER)
    assert take(db, run_id, fresh).version == 3  # so that each was refused for its own fault


def test_no_bad_order_is_taken_for_the_polices() -> None:
    now, good = bad_documents.NOW, order()
    documents = bad_documents.orders(good, now)
    assert len(documents) >= 80
    for why, content in documents:
        with pytest.raises((Invalid, Refused)) as refusal:
            _read_order(content)
        assert str(refusal.value).endswith("."), why
    _read_order(loa_carrier.sign(good, POLICE))


def _read_order(content: bytes) -> None:
    signed = formats.read(content, ORDER)
    loa_carrier.verify(signed, keys(POLICE))
    formats.check(signed, bad_documents.NOW)

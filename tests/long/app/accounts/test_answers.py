"""What every operation and page answers, whoever asks: the head that browsers are held by, and no change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import audit
from app.runtime.api_app import create_app
from app.web import assets
from tests.app.described import described
from tests.long.app.accounts.scene import OTHER, OWN, UNKNOWN, Answer, Asker, build
from tests.long.app.accounts.test_matrix import Operation, operations
from tests.long.app.accounts.test_spelled_ids import OFTEN, rows

# Whose use is written down, and the record that the audit keeps of looks at whole numbers.
USED = {"api_keys", "sessions", "audit"}
LOOKS = {"page_audit_export", "download_bad_lines", "download_receipt_lines", "download_reconciliation"} | {
    *("download_unknown", "download_failed", "download_scam_reports")
}


def asked_of(settings: Settings, db: Database) -> list[tuple[Operation, str]]:
    """Every operation and page, with its own things, another's and some that are not there; and the files."""
    found = [
        (each, place.path(each.path) + (f"?campaign={place.number}" if each.name == "batch_report" else ""))
        for each in operations(settings, db)
        for place in (OWN, OTHER, UNKNOWN)
    ]
    files = [(Operation("page_static", "GET", "", False), assets.address(name)) for name in assets.assets()]
    return found + files + [(Operation("nothing", "GET", "", False), "/nowhere")]


def faults(answer: Answer, name: str) -> list[str]:
    """Which words a head lacks that no answer may be without."""
    head = answer.headers
    policy = dict(
        part.strip().partition(" ")[::2] for part in head.get("content-security-policy", "").split(";")
    )
    wanted = {
        "default-src": policy.get("default-src") == "'none'",
        "object-src": policy.get("object-src") == "'none'",
        "base-uri": policy.get("base-uri") == "'none'",
        "frame-ancestors": policy.get("frame-ancestors") == "'none'",
        "no script but ours": policy.get("script-src", "'self'") == "'self'",
        "nosniff": head.get("x-content-type-options") == "nosniff",
        "referrer": head.get("referrer-policy") == "no-referrer",
        "hsts": head.get("strict-transport-security") == "max-age=31536000; includeSubDomains",
        "kept": head.get("cache-control") == "no-store" or (name == "page_static" and answer.status == 200),
        "kind": not answer.body or _has_kind(head),
        "own path": re.match(r"/(?![/\\\\])|$", answer.location) is not None,
    }
    return [word for word, good in wanted.items() if not good]


def _has_kind(head: Mapping[str, str]) -> bool:
    """A type, and for text its charset; JSON is UTF-8 by its own rules."""
    kind = head.get("content-type", "")
    return bool(kind) and (not kind.startswith("text/") or "charset=utf-8" in kind.lower())


@pytest.mark.prove
@pytest.mark.timeout(120)
async def test_every_answer_is_closed_to_browsers(tmp_path: Path, db: Database) -> None:
    settings = Settings(data=tmp_path, behind_tls=True, trusted_proxies=["127.0.0.1"], **OFTEN)
    keys, asker = build(db), Asker(create_app(settings, db))
    lacking: dict[tuple[str, str, int], list[str]] = {}
    seen: set[int] = set()
    for each, path in asked_of(settings, db):
        for key in (None, keys["admin"], keys["vnpt"]):
            kind = "multipart/form-data; boundary=b" if each.multipart else "application/json"
            answer = await asker.ask(each.method, path, key, kind=kind)
            seen.add(answer.status)
            if found := faults(answer, each.name):
                lacking[each.method, path, answer.status] = found
    assert lacking == {}
    assert seen >= {200, 303, 401, 403, 404, 422}


@pytest.mark.prove
async def test_what_is_asked_for_by_get_changes_nothing(tmp_path: Path, db: Database) -> None:
    settings = Settings(data=tmp_path, **OFTEN)
    keys, asker = build(db), Asker(create_app(settings, db))

    def state() -> dict[str, Any]:
        return {name: found for name, found in rows(db).items() if name not in USED}

    def acts() -> int:
        return int(db.read(lambda c: c.execute(select(func.count()).select_from(audit)).scalar_one()))

    before, answered, looked = state(), 0, set()
    for each, path in asked_of(settings, db):
        if each.method != "GET":
            continue
        for key in (None, keys["admin"], keys["approver"], keys["auditor"], keys["vnpt"]):
            known = acts()
            answer = await asker.ask("GET", path, key)
            answered += answer.status == 200
            if acts() != known:
                looked.add(each.name)
    assert state() == before
    assert looked <= LOOKS
    assert answered > 300


INJECTED = (
    *("' OR '1'='1", "1 OR 1=1", "'; DROP TABLE runs; --", '" OR ""="', "vnpt' UNION SELECT 1--", "%", "_"),
    *("\\' OR 1=1 -- ", "1/**/OR/**/1=1", "x') OR ('1'='1", "$$", ":campaign", "%(campaign)s", "{0}"),
)


@pytest.mark.prove
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_words_of_sql_find_nothing_and_break_nothing(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """In each parameter of a query: no more than for a word that nobody has, and never a mistake of ours."""
    db = Database(request.getfixturevalue("sqlite_url" if engine == "sqlite" else "new_postgresql_url"))
    keys, app = build(db), create_app(Settings(data=tmp_path, **OFTEN), db)
    asker, before, seen = Asker(app), rows(db), 0
    for path, methods in described(app)["paths"].items():
        for name in [p["name"] for p in methods.get("get", {}).get("parameters", []) if p["in"] == "query"]:
            if path.startswith("/webhooks/"):
                continue
            for caller in ("admin", "vnpt"):
                asked = f"{OWN.path(path)}?{name}="
                nobody = await asker.ask("GET", f"{asked}nobody-has-this", keys[caller])
                for word in INJECTED:
                    answer = await asker.ask("GET", asked + quote(word), keys[caller])
                    assert answer.status == nobody.status < 500, (asked, word)
                    assert answer.status != 200 or answer.body == nobody.body, (asked, word)
                    seen += 1
    after = rows(db)
    db.close()
    assert {name for name in after if after[name] != before[name]} <= {"api_keys"}
    assert seen > 500


TOO_LARGE = (2**31, 2**63, 2**64, 10**40, -(2**63))


@pytest.mark.prove
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_numbers_that_nothing_holds_are_refused_or_are_nothing(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """In each path and query, and in each body that has a number: never a mistake of ours, nothing stored."""
    db = Database(request.getfixturevalue("sqlite_url" if engine == "sqlite" else "new_postgresql_url"))
    keys, app = build(db), create_app(Settings(data=tmp_path, **OFTEN), db)
    asker, seen = Asker(app), 0
    before = {name: found for name, found in rows(db).items() if name not in USED}
    for each in operations(Settings(data=tmp_path), db):
        for number in TOO_LARGE:
            path = re.sub(r"{\w+_id}", str(number), each.path)
            if path != each.path and each.name not in ("page_delivery", "download_failed"):
                answer = await asker.ask(each.method, OWN.path(path), keys["admin"])
                assert answer.status in (404, 422), (each, number, answer)
                seen += 1
    for path, methods in described(app)["paths"].items():
        asked = [p["name"] for p in methods.get("get", {}).get("parameters", []) if p["in"] == "query"]
        for name, number in product(asked, TOO_LARGE):
            answer = await asker.ask("GET", f"{OWN.path(path)}?{name}={number}", keys["admin"])
            assert answer.status < 500, (path, name, number)
    for name, number in product(("directive_id", "estimated", "priority", "segments_per_second"), TOO_LARGE):
        for method, path in (
            ("POST", "/v1/campaigns"),
            ("PUT", "/v1/runs/1/rate"),
            ("PUT", "/v1/runs/1/priority"),
        ):
            body = b'{"name": "x", "purpose": "tuyen_truyen", "sender": "CA", "text": "x", "%s": %d}'
            answer = await asker.ask(method, path, keys["admin"], body % (name.encode(), number))
            assert answer.status == 422, (path, name, number)
    after = {name: found for name, found in rows(db).items() if name not in USED}
    db.close()
    assert after == before
    assert seen > 200

"""The claim: whoever writes every row of the audit, but has no key, can't change an act, rewrite the chain
whole or cut off its end, without `loa audit verify` and `loa doctor` naming it by themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Row, delete, insert, select, update
from typer.testing import CliRunner

from app.accounts.service import reseal
from app.campaigns import approval
from app.cli import app as commands
from app.core import clock
from app.core.clock import DAY_MS
from app.core.config import EndpointSettings, Settings
from app.core.errors import Conflict, SetupError
from app.database import audit_heads
from app.database.audit_heads import AuditHead
from app.database.connection import Database
from app.database.models import audit as table
from app.database.models import erasures
from app.notifications import events
from app.privacy import certificates
from app.security import audit
from app.security.audit import Chain, KeptHeads
from app.security.secret_encryption import signing_keys, vault_of
from tests.app.world import build
from tests.engines import by_default, on_sqlite
from tests.exact import exactly

database_url = by_default

ONE, TWO = ("A" * 43 + "=", "B" * 43 + "=")
Open = Callable[..., Database]


def settings(present: str | None, previous: str | None = None, **more: object) -> Settings:
    return Settings.model_validate({"secret_key": present, "previous_secret_key": previous, **more})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "heads" / "audit-heads"


@pytest.fixture
def opened(db: Database, database_url: str, file: Path) -> Iterator[Open]:
    """The same database as a process with these keys has it."""
    made: list[Database] = []

    def work(present: str | None = ONE, previous: str | None = None) -> Database:
        for each in made:
            each.close()
        keys = signing_keys(settings(present, previous))
        made[:] = [Database(database_url, keys=keys, on_head=lambda head: audit_heads.keep(file, head))]
        return made[0]

    db.close()  # SQLite takes one process at a time
    yield work
    for each in made:
        each.close()


def written(db: Database, count: int = 5) -> None:
    for number in range(count):
        db.write(audit.note, "Lan", "run.rate", f"run/{number}", after=number)


def found(db: Database, file: Path | None = None) -> Chain:
    return db.read(audit.verify, KeptHeads(audit_heads.kept(file), 24))


def fault(db: Database, file: Path | None = None) -> str:
    return found(db, file).fault or ""


def chained(c: Connection, rows: list[dict[str, Any]]) -> None:
    """Put these rows in place of all, each chained to the one before as anybody can compute it."""
    c.execute(delete(table))
    before = audit.START
    for number, row in enumerate(rows, 1):
        said = (number, *(row[name] for name in ("at", "who", "origin", "action", "subject")))
        before = audit.link(before, (*said, json.dumps(row["detail"])))
        c.execute(insert(table).values(row | {"id": number, "hash": before}))


def rows_of(c: Connection) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in c.execute(select(table).order_by(table.c.id))]


def rewritten_whole(c: Connection) -> None:
    rows = rows_of(c)
    rows[1]["who"] = "Mallory"
    chained(c, rows)


def without_seals(c: Connection) -> None:
    chained(c, [row | {"seal": None, "who": "Mallory"} for row in rows_of(c)])


def one_left_out(c: Connection) -> None:
    rows = rows_of(c)
    chained(c, rows[:2] + rows[3:])


def one_more(c: Connection) -> None:
    chained(c, [*rows_of(c), {**rows_of(c)[-1], "who": "Mallory"}])


def seal_of_another(c: Connection) -> None:
    rows = rows_of(c)
    rows[2]["seal"] = rows[3]["seal"]
    chained(c, rows)


REWRITTEN: dict[str, tuple[Callable[[Connection], None], str]] = {
    "an act is another one, and the chain computed again": (
        rewritten_whole,
        r"The seal of audit row 2 \(run\.rate by Mallory\) does not match",
    ),
    "the seals are taken away": (without_seals, "Row 1 has no seal"),
    "an act is left out": (one_left_out, "seal of audit row 3 .* does not match"),
    "an act is added": (one_more, "seal of audit row 6 .* does not match"),
    "a seal is another row's": (seal_of_another, "seal of audit row 3 .* does not match"),
}


@pytest.mark.parametrize("how", REWRITTEN)
def test_a_chain_that_was_computed_again_is_found(opened: Open, how: str) -> None:
    db = opened()
    written(db)
    whole = found(db)
    assert (whole.rows, whole.fault, whole.sealed) == (5, None, True)
    change, said = REWRITTEN[how]
    db.write(change)
    assert re.search(said, fault(db))
    assert fault(opened(None)) == ""  # by the chain alone it is whole: the seals show it


@pytest.mark.longer
def test_an_act_of_a_process_without_the_key_is_named(opened: Open) -> None:
    written(opened())
    written(opened(None), 1)
    assert fault(opened()).startswith("Row 6 has no seal")


@pytest.mark.longer
def test_an_end_that_was_cut_off_is_found_by_what_is_kept_outside(opened: Open, file: Path) -> None:
    db = opened()
    build(db, 3)  # approved: that act's head is kept at once
    assert [each.row for each in audit_heads.kept(file)] == [1]
    written(db)
    audit_heads.keep(file, db.read(audit.head))
    assert (fault(db, file), found(db, file).compared) == ("", 2)
    assert file.stat().st_mode & 0o077 == 0
    db.write(lambda c: c.execute(delete(table).where(table.c.id > 3)))
    assert fault(db) == ""
    assert "Rows after 3 are missing: row 6 existed on " in fault(db, file)
    written(db, 4)  # Loa goes on with the shortened chain
    assert "Row 6 differs from the row of " in fault(db, file)


def test_what_an_order_about_rejected_messages_says_is_kept_outside_at_once(opened: Open, file: Path) -> None:
    db = opened()
    for action in ("rejected.ask", "unknown.resend", "rejected.approve"):
        db.write(audit.note, "lan", action, "run/1")
    assert [each.row for each in audit_heads.kept(file)] == [1, 3]


@pytest.mark.longer
def test_a_database_that_was_put_back_is_compared_from_there_on(opened: Open, file: Path) -> None:
    db = opened()
    written(db)
    for number in range(2):
        audit_heads.keep(file, db.read(audit.head))
        written(db, number + 1)
    audit_heads.keep(file, db.read(audit.head))  # rows 5, 6 and 8
    db.write(lambda c: c.execute(delete(table).where(table.c.id > 6)))
    written(db, 1)
    agreed = db.read(audit.agreed, audit_heads.kept(file))
    assert agreed.row == 6
    audit_heads.branch(file, agreed)
    assert fault(db, file) == ""
    db.write(lambda c: c.execute(delete(table).where(table.c.id > 5)))
    assert "Rows after 5 are missing: row 6 existed on " in fault(db, file)


def begun(c: Connection, upto: int, months: int) -> Row[Any]:
    """An erasure that is under way has no certificate yet, so no act names it."""
    last = c.execute(select(table).where(table.c.id == upto)).one()
    c.execute(delete(table).where(table.c.id <= upto))
    values = {"kind": "audit", "name": "x", "rule": "x", "days": 90, "due_at": 1, "counts": {}}
    values |= {"totals": [], "by": "loa", "started_at": clock.now_ms(), "months": months, "kept": {}}
    made = insert(erasures).values(values | {"anchor": f"{upto}:{last.hash}"})
    return c.execute(made.returning(erasures)).one()


@pytest.mark.longer
def test_rows_that_are_said_to_be_erased_before_their_time_are_named(opened: Open, file: Path) -> None:
    db = opened()
    written(db)
    audit_heads.keep(file, db.read(audit.head))
    written(db, 2)

    db.write(begun, 5, 24)
    assert fault(db) == ""
    assert "Rows 1 to 5 were erased by certificate 1, but row 5 of " in fault(db, file)
    db.write(lambda c: c.execute(update(erasures).values(months=1)))
    assert "Rows 1 to 5 were erased by certificate 1, but row 5 of " in fault(db, file)


def erased(db: Database, months: int) -> None:
    """Make seven acts; the first four are erased by a certificate of so many months, which the sixth says."""
    written(db)
    db.write(lambda c: certificates.end(c, begun(c, 4, months)))
    written(db, 1)


def nothing(c: Connection) -> None:
    """Leave all as it was written."""


def shorter_certificate(c: Connection) -> None:
    c.execute(update(erasures).values(months=12))


def shorter_act(c: Connection) -> None:
    """Change the act too, and the chain from there on."""
    shorter_certificate(c)
    rows = rows_of(c)
    before = c.execute(select(erasures.c.anchor)).scalar_one().partition(":")[2]
    c.execute(delete(table))
    for row in rows:
        row["detail"] |= {"months": 12} if row["action"] == "erasure" else {}
        said = (*(row[name] for name in audit.SAID), json.dumps(row["detail"]))
        before = row["hash"] = audit.link(before, said)
        c.execute(insert(table).values(row))


def another_row(c: Connection) -> None:
    """Change the last act, which says nothing of the term."""
    c.execute(update(table).where(table.c.id == 7).values(who="Mallory"))


KEPT_FOR = "row 3 of .* had to be kept for {} months"
# The certificate's months, what was altered, the key, the age of an erased row in days, what is told.
ERASED: dict[str, tuple[int, Callable[[Connection], None], str | None, int, str]] = {
    "by a shorter term of then": (12, nothing, ONE, 400, ""),
    "by a shorter term, and too early": (12, nothing, ONE, 300, KEPT_FOR.format(12)),
    "by a longer term of then": (36, nothing, ONE, 800, ""),
    "the certificate was made shorter": (24, shorter_certificate, ONE, 400, KEPT_FOR.format(24)),
    "the act was made shorter too": (24, shorter_act, ONE, 400, "seal of audit row 6 .* does not match"),
    "no key tells whether the act is right": (12, nothing, None, 400, KEPT_FOR.format(24)),
    "no key, and old enough by the term in force": (12, nothing, None, 800, ""),
    "by less than settings take": (1, nothing, ONE, 300, KEPT_FOR.format(12)),
    "by less than settings take, of old rows": (1, nothing, ONE, 400, ""),
    "early, and a later act was changed": (24, another_row, ONE, 400, KEPT_FOR.format(24)),
}


@pytest.mark.parametrize("how", ERASED)
def test_only_a_sealed_act_tells_by_which_term_acts_were_erased(opened: Open, how: str) -> None:
    months, change, key, days, said = ERASED[how]
    erased(opened(), months)
    db = opened(key)
    db.write(change)
    head = AuditHead(3, "x", clock.now_ms() - days * DAY_MS)
    told = db.read(audit.verify, KeptHeads([head], 24)).fault or ""
    assert re.search(said or "^$", told), told


def test_an_act_of_before_it_said_the_term_counts_as_the_term_in_force(opened: Open) -> None:
    db = opened()
    written(db)
    db.write(begun, 4, 12)
    db.write(lambda c: c.execute(update(erasures).values(sha256="s")))
    db.write(audit.note, "loa", "erasure", "audit", certificate=1, sha256="s")
    for days, said in ((400, KEPT_FOR.format(24)), (800, "^$")):
        head = AuditHead(3, "x", clock.now_ms() - days * DAY_MS)
        assert re.search(said, db.read(audit.verify, KeptHeads([head], 24)).fault or "")


@pytest.mark.longer
def test_the_key_is_changed_and_every_seal_goes_over_to_it(opened: Open) -> None:
    written(opened())
    assert fault(opened(TWO, ONE)) == ""
    assert "The seal of audit row 1 (run.rate by Lan) does not match secret_key" in fault(opened(TWO))
    assert opened(TWO, ONE).write(reseal, "host", vault_of(settings(TWO, ONE))) == 5
    db = opened(TWO)
    assert (found(db).rows, fault(db)) == (6, "")  # the act that says so is the sixth


@pytest.mark.longer
def test_acts_of_before_the_key_are_sealed_on_the_word_of_who_has_compared_the_head(opened: Open) -> None:
    written(opened(None))
    db = opened()
    assert fault(db).startswith("Row 1 has no seal")
    head = db.read(audit.head)
    with pytest.raises(Conflict, match="The head of the chain is"):
        db.write(audit.seal_all, "host", f"4:{head.hash}")
    assert db.write(audit.seal_all, "host", head.said) == 5
    assert (found(db).rows, fault(db)) == (6, "")
    assert db.write(audit.seal_all, "host", db.read(audit.head).said) == 0
    with pytest.raises(Conflict, match="no key to seal with"):
        opened(None).write(audit.seal_all, "host", head.said)


@pytest.mark.longer
def test_and_nothing_is_sealed_that_does_not_fit(opened: Open) -> None:
    db = opened()
    written(db)
    db.write(rewritten_whole)
    head = db.read(audit.head)
    with pytest.raises(
        Conflict,
        match=exactly(
            "The audit log was altered. The seal of audit row 2 (run.rate by Mallory) does not "
            "match secret_key or previous_secret_key."
        ),
    ):
        db.write(audit.seal_all, "host", head.said)


@pytest.mark.longer
@on_sqlite
def test_a_head_that_can_not_be_kept_or_read_keeps_nobody_from_work(opened: Open, file: Path) -> None:
    file.mkdir(parents=True)
    db = opened()
    db.write(audit.note, "Lan", "person.add", "person/an")
    assert db.read(audit.head).row == 1
    with pytest.raises(SetupError, match="audit_head_file"):
        audit.kept(settings(ONE, audit_head_file=file))


@on_sqlite
def test_a_line_that_was_half_written_is_no_head(db: Database, file: Path) -> None:
    audit_heads.keep(file, AuditHead(3, "a" * 64, 1000))
    with file.open("a") as more:
        more.write("4:bb\nx:cc 5 z\n\n")
    assert audit_heads.kept(file) == (AuditHead(3, "a" * 64, 1000),)
    assert audit_heads.kept(file.parent / "none") == ()


@pytest.mark.prove
@pytest.mark.longer
def test_two_databases_of_one_data_folder_do_not_warn_of_each_other(
    tmp_path: Path, new_postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is held against its own heads, and an end that is cut off still shows."""
    monkeypatch.setenv("LOA_DATA", str(tmp_path))
    monkeypatch.setenv("LOA_CONFIG", "")
    monkeypatch.setenv("LOA_SECRET_KEY", ONE)

    def run(*words: str, server: bool) -> str:
        with monkeypatch.context() as within:
            if server:
                within.setenv("LOA_DATABASE_URL", new_postgresql_url)
            result = CliRunner().invoke(commands, words)
        return f"{result.output}{result.exception or ''}"

    for server, names in ((False, "abc"), (True, "xy")):
        for name in names:
            assert "loa_" in run("key", "add", name, server=server)
    assert "3 acts, all unaltered" in run("audit", "verify", server=False)
    assert "2 acts, all unaltered" in run("audit", "verify", server=True)
    db = Database(new_postgresql_url)
    db.write(lambda c: c.execute(delete(table).where(table.c.id == 2)))
    db.close()
    assert "Rows after 1 are missing: row 2 existed on " in run("audit", "verify", server=True)
    assert "3 acts, all unaltered" in run("audit", "verify", server=False)


@pytest.mark.longer
def test_an_endpoint_that_names_it_is_told_the_head_at_each_approval(db: Database) -> None:
    def told(*kinds: str) -> list[dict[str, Any]]:
        secret = "whsec_" + "QUJD" * 8
        desk = EndpointSettings(url="https://a.example.vn", secret=secret, events=kinds)  # type: ignore[arg-type]
        news = db.read(events.happened, settings(None, endpoints={"desk": desk}), clock.now())
        return [each.payload["data"] for each in news if each.kind == "audit.head"]

    build(db, 3)
    head = db.read(audit.head)
    written(db, 2)
    assert told("audit.head") == [{"head": head.said, "action": "campaign.approved"}]
    assert told("*") == []
    an_hour_ago = clock.now_ms() // 3_600_000 * 3_600_000 - 1
    db.write(lambda c: c.execute(update(table).where(table.c.id < 3).values(at=an_hour_ago)))
    if clock.now_ms() - an_hour_ago < 3_500_000:
        assert [each["head"].partition(":")[0] for each in told("audit.head")] == ["1", "2"]


def test_an_approval_that_is_signed_later_has_its_head_kept(opened: Open, file: Path) -> None:
    db = opened(None)
    world = build(db, 3)
    digest = db.read(lambda c: c.execute(select(table.c.detail)).scalar_one())["digest"]
    opened().write(approval.sign, world.campaign, digest, "host")
    assert [each.row for each in audit_heads.kept(file)] == [1, 2]

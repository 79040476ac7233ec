"""The doctor sees what is wrong, says what to do, and is content where all is well."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, insert, update
from typer.testing import CliRunner

from app.accounts.service import NewPerson, add_person, sign
from app.campaigns.runs import Verb, act
from app.cli import app as commands
from app.core import areas
from app.core.config import LinkSettings, Settings
from app.database import schema
from app.database.connection import Database
from app.database.models import audit as acts
from app.database.models import links, people
from app.diagnostics.doctor import (
    Symptom,
    _notices,
    _rights,
    disk,
    examine,
    ledger,
    libraries,
    modes,
    optional,
    papers,
    settings_file,
    wiring,
)
from app.dispatch.run_content import stop
from app.notifications import outbox
from app.reports.forms import letterhead
from app.runtime.worker import build as build_link
from app.security import audit
from app.security.secret_encryption import signing_keys
from carriers.contract import ReceiptLevel
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.world import build
from tests.faults.processes import smpp_link


def bad(found: list[Symptom]) -> list[str]:
    return [f"{each.about}: {each.what}" for each in found if not each.good]


MUST_BE_ON = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")


def server_of_the_tests(db: Database) -> list[str]:
    """What is to be said of the server as it is set."""
    shown = [] if db.sqlite else [name for name in MUST_BE_ON if db.read(_shown, name) == "off"]
    said = "are off. Turn them on: the ledger depends on them."
    return [f"server: PostgreSQL's settings {', '.join(shown)} {said}"] if shown else []


def _shown(connection: Connection, name: str) -> str:
    return str(connection.exec_driver_sql(f"SHOW {name}").scalar_one())


def settings_of(db: Database, tmp_path: Path, **more: object) -> Settings:
    url = None if db.sqlite else db.url.render_as_string(hide_password=False)
    return Settings(data=tmp_path, database_url=url, **more)  # type: ignore[arg-type]


@pytest.mark.longer
def test_a_sound_ledger_is_good_and_what_wants_a_person_is_named(db: Database, tmp_path: Path) -> None:
    build(db, 3)
    db.write(audit.note, "Lan", "x", "y")
    settings, server = settings_of(db, tmp_path), server_of_the_tests(db)
    db.close()
    assert bad(list(ledger(settings))) == server
    again = Database(settings.url)
    again.write(lambda c: c.execute(update(links).values(state="halted", reason="Wrong password.")))
    again.write(lambda c: c.execute(update(acts).values(who="Mallory")))
    again.close()
    found = bad(list(ledger(settings)))
    assert any("viettel-1 is halted: Wrong password. Run `loa link resume`" in each for each in found)
    assert any(
        each.startswith("audit: Row 1 (campaign.approved by Mallory) or the row before it was changed.")
        for each in found
    )


@pytest.mark.longer
def test_a_run_that_was_stopped_is_named_until_somebody_has_decided(db: Database, tmp_path: Path) -> None:
    """A run set going past Loa is paused again within a second; nothing else would still show it."""
    world = build(db, 3)
    settings, server = settings_of(db, tmp_path), server_of_the_tests(db)
    db.write(stop, world.run, world.campaign)
    db.close()
    found = [each for each in bad(list(ledger(settings))) if each not in server]
    assert len(found) == 1
    assert found[0].startswith(f"runs: Run {world.run} was stopped")
    assert "`loa run resume`" in found[0]
    again = Database(settings.url)
    again.write(act, Verb.RESUME, world.run, "operator")
    again.write(act, Verb.PAUSE, world.run, "operator")
    again.close()
    assert bad(list(ledger(settings))) == server
    again = Database(settings.url)
    again.write(act, Verb.RESUME, world.run, "operator")
    again.write(stop, world.run, world.campaign, why="link")
    again.close()
    assert any("the settings of a link" in each for each in bad(list(ledger(settings))))


@pytest.mark.longer
def test_a_server_that_may_lose_what_was_committed_is_named(new_postgresql_url: str, tmp_path: Path) -> None:
    db = Database(new_postgresql_url)
    settings = settings_of(db, tmp_path)
    db.write(lambda c: c.exec_driver_sql(f"ALTER DATABASE {db.url.database} SET synchronous_commit = off"))
    db.close()
    again = Database(new_postgresql_url)
    server = server_of_the_tests(again)
    again.close()
    assert "synchronous_commit" in server[0]
    assert bad(list(ledger(settings))) == server


@pytest.mark.longer
def test_second_factors_want_a_key_and_to_be_sealed_with_it(db: Database, tmp_path: Path) -> None:
    db.write(add_person, NewPerson("lan", "admin"), "bon tu chang lien quan", "test")
    key = SecretStr(base64.b64encode(b"k" * 32).decode())
    without, keyed = settings_of(db, tmp_path), settings_of(db, tmp_path, secret_key=key)
    url, server = str(without.url), server_of_the_tests(db)
    db.close()
    assert any("openssl rand" in each for each in bad(list(ledger(without))))
    unsealed = bad(list(ledger(keyed)))
    assert any("Row 1 has no seal" in each for each in unsealed)
    assert any("person lan has no signature of secret_key" in each for each in unsealed)
    assert len(unsealed) == len(server) + 2
    again = Database(url, keys=signing_keys(keyed))
    again.write(audit.seal_all, "host", again.read(audit.head).said)
    again.write(sign, "host")
    again.close()
    assert bad(list(ledger(keyed))) == server
    again = Database(url)
    again.write(lambda c: c.execute(update(people).values(totp_secret="JBSWY3DPEHPK3PXP")))
    again.close()
    assert any("`loa user reseal`" in each for each in bad(list(ledger(keyed))))


@pytest.mark.longer
def test_a_clock_that_was_set_back_is_noticed(db: Database, tmp_path: Path) -> None:
    row = {"id": 1, "at": 9_999_999_999_999, "who": "a", "action": "b", "subject": "c", "detail": {}}
    db.write(lambda c: c.execute(insert(acts).values(row | {"hash": "h"})))
    settings = settings_of(db, tmp_path)
    db.close()
    assert any("clock: The clock is behind" in each for each in bad(list(ledger(settings))))


def test_a_database_that_is_not_there_or_has_no_schema_is_said(tmp_path: Path) -> None:
    away = Settings(data=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none")
    assert bad(list(ledger(away)))[0].startswith("database: The database cannot be reached")
    (tmp_path / "loa.sqlite3").touch()
    assert "schema: The database has schema none" in bad(list(ledger(Settings(data=tmp_path))))[0]


def test_a_folder_without_a_ledger_is_said_and_stays_so(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "far" / "data")
    assert bad([*disk(settings), *ledger(settings)])[-1].startswith(
        "database: There is no ledger in the folder"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere, so this test needs another account")
def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "disk: Cannot write to" in bad(list(disk(Settings(data=tmp_path))))[0]


def test_what_other_accounts_of_the_host_may_open_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, secrets = tmp_path / "data", tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    monkeypatch.setenv("LOA_SECRETS_DIR", str(secrets))
    Database(f"sqlite:///{data / 'loa.sqlite3'}").close()
    ledger_file, key = data / "loa.sqlite3", secrets / "loa_secret_key"
    for each in (ledger_file, key):
        each.touch()
        each.chmod(0o600)
    assert bad(list(modes(Settings(data=data)))) == []
    ledger_file.chmod(0o644)
    key.chmod(0o640)
    found = bad(list(modes(Settings(data=data))))
    assert [str(each) in words for each, words in zip((ledger_file, key), found, strict=True)] == [True] * 2
    assert all("chmod go=" in words for words in found)


def test_a_folder_that_a_group_shares_is_the_group_s_with_all_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, key = tmp_path / "data", tmp_path / "secrets" / "loa_secret_key"
    monkeypatch.setenv("LOA_SECRETS_DIR", str(key.parent))
    for each in (data, key.parent):
        each.mkdir()
    data.chmod(0o2770)
    key.touch()
    key.chmod(0o640)
    Database(f"sqlite:///{data / 'loa.sqlite3'}").close()
    found = list(modes(Settings(data=data)))
    assert bad(found) == []
    assert "Only the group root can open the ledger" in found[0].what
    key.chmod(0o644)
    assert str(key) in bad(list(modes(Settings(data=data))))[0]
    key.chmod(0o640)
    (data / "loa.sqlite3").chmod(0o600)
    assert "chmod 660" in bad(list(modes(Settings(data=data))))[0]
    data.chmod(0o2775)
    assert "chmod go=" in bad(list(modes(Settings(data=data))))[0]


def test_a_database_that_is_away_is_told_to_the_host_with_its_cause(tmp_path: Path) -> None:
    away = Settings(data=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none")
    assert "127.0.0.1" in bad(list(ledger(away)))[0]


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert "disk: Cannot write to" in bad(list(disk(Settings(data=tmp_path / "data"))))[0]


def test_a_folder_that_is_not_there_and_can_not_be_made_is_said_not_to_exist(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (said,) = bad(list(disk(Settings(data=tmp_path / "file" / "data"))))
    assert f"The folder {tmp_path}/file/data does not exist, and this account cannot create it" in said


def test_secrets_in_the_file_of_settings_are_named_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "loa.toml"
    file.write_text('[links.a]\npassword = "s3cr3t-w0rd"\n[links.a.webhook]\ntoken = "s3cr3t-w0rd"\n')
    (found,) = settings_file(file)
    assert "contains secrets (password, token)" in found.what
    assert "s3cr3t" not in found.what
    file.write_text("port = 8600\n")
    assert bad(list(settings_file(file))) == []
    file.chmod(0o666)
    assert "chmod o-w" in bad(list(settings_file(file)))[0]


def test_every_fault_of_the_links_is_said_at_once(tmp_path: Path) -> None:
    links = {
        "a": LinkSettings.model_validate(smpp_link("viettel", 1, window=0)),
        "b": LinkSettings.model_validate(smpp_link("vnpt", 1) | {"kind": "pigeon"}),
        "c": LinkSettings.model_validate(smpp_link("vnpt", 1) | {"webhook": {}}),
    }
    found = bad(list(wiring(Settings(data=tmp_path, links=links))))
    assert [each.split(":")[1].strip() for each in found] == ["Link a", "Link b", "Link c"]


def test_a_link_that_does_not_say_what_its_receipts_prove_is_named_and_no_fault(tmp_path: Path) -> None:
    stated = smpp_link("viettel", 1) | {"receipt_level_source": "Annex 2 of the contract"}
    silent = {name: value for name, value in stated.items() if not name.startswith("receipt_level")}
    links = {name: LinkSettings.model_validate(own) for name, own in (("a", silent), ("b", stated))}
    found = list(wiring(Settings(data=tmp_path, links=links)))
    assert bad(found) == []
    (said,) = [each.what for each in found if each.note]
    assert said.startswith("Link a does not state what its receipts prove, so they count as proof of the")
    levels = {name: build_link(name, link).receipt_level for name, link in links.items()}
    assert levels == {"a": ReceiptLevel.OPERATOR, "b": ReceiptLevel.HANDSET}


async def test_links_are_looked_at_over_the_network(tmp_path: Path) -> None:
    async with Smsc(SmscBehaviour()) as smsc:
        link = LinkSettings.model_validate(smpp_link("viettel", smsc.port))
        found = await examine(Settings(data=tmp_path, links={"viettel-1": link}), {"viettel-1": link}, {})
    assert any(each.about == "link viettel-1" and each.good for each in found)


@pytest.mark.longer
async def test_endpoints_are_looked_up_and_notices_that_failed_are_said(db: Database, tmp_path: Path) -> None:
    secret = "whsec_" + base64.b64encode(b"an invented secret of 32 bytes!!").decode()
    urls = {"inner": "http://127.0.0.1:9/", "lost": "https://nowhere.invalid/", "good": "https://8.8.8.8/"}
    hooks = {name: {"url": url, "secret": secret} for name, url in urls.items()}
    found = Settings.model_validate({"data": tmp_path, "endpoints": hooks})
    said = {each.about: each for each in await examine(found, {}, found.endpoints)}
    assert [said[f"endpoint {name}"].good for name in hooks] == [False, False, True]
    assert "private_endpoints" in said["endpoint inner"].what
    assert "nowhere.invalid cannot be resolved" in said["endpoint lost"].what
    of = outbox.NotificationChannel.WEBHOOK
    db.write(outbox.put, [outbox.Notice(f"x/{n}", "x", of, "desk", {}) for n in range(2)])
    while due := db.write(outbox.next_due):
        db.write(outbox.record_outcome, due, outbox.Never("The endpoint answered with status 410."))
    failed = bad(db.read(_notices))
    assert len(failed) == 1
    assert "2 notices to desk have failed" in failed[0]
    assert "--failed-to desk" in failed[0]


@pytest.mark.longer
def test_a_ledger_of_a_newer_program_has_the_remedy_of_one(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'loa.sqlite3'}")
    schema.upgrade(db)
    db.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    db.close()
    said = bad(list(ledger(Settings(data=tmp_path))))
    assert any("A newer Loa has migrated it" in each for each in said)
    assert not any("Run `loa migrate`" in each for each in said)


@pytest.mark.longer
def test_the_command_says_it_and_exits_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_DATA", str(tmp_path))
    monkeypatch.setenv("LOA_CONFIG", "")
    result = CliRunner().invoke(commands, ["doctor", "--offline"])
    assert result.exit_code == 1
    assert "BAD   links: No link is configured" in result.output
    assert '"about": "disk"' in CliRunner().invoke(commands, ["doctor", "--offline", "--json"]).output


@pytest.mark.longer
def test_a_missing_secret_key_is_the_same_fault_for_second_factors_and_for_the_audit(
    db: Database, tmp_path: Path
) -> None:
    db.write(add_person, NewPerson("lan", "admin"), "bon tu chang lien quan", "test")
    for environment, good in (("production", False), ("development", True)):
        settings = settings_of(db, tmp_path, environment=environment)
        about = {each.about: each for each in ledger(settings)}
        keyless = [about["second factors"], about["seals"]]
        assert [(each.good, each.note) for each in keyless] == [(good, good)] * 2


def test_protections_that_are_not_set_are_named_and_no_fault() -> None:
    found = list(optional(Settings()))
    assert bad(found) == []
    assert all(each.note for each in found)
    named = {"scan_command", "log_to", "monitor_networks", "totp_late_steps"}
    assert {each.what.split()[3].rstrip(",") for each in found} == named
    own = {"scan_command": ["clamdscan"], "log_to": "tls://logs.example:6514"}
    own |= {"monitor_networks": ["10.0.0.0/24"], "totp_late_steps": 0}
    assert list(optional(Settings(**own))) == []
    assert list(optional(Settings(environment="development"))) == []


def test_papers_that_bear_the_example_letterheads_are_named_and_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "letterheads.toml"
    example = (Path(letterhead.__file__).parents[2] / "data/letterheads.toml").read_text("utf-8")
    try:
        (found,) = papers(Settings(province="11"))
        assert found.good
        assert found.note
        assert "example" in found.what
        assert "Điện Biên" in found.what
        file.write_text(example.replace("Sơn La", "Điện Biên"), "utf-8")
        (found,) = papers(Settings(province="11", letterheads=file))
        assert found.good
        assert not found.note
        assert "Công an tỉnh Điện Biên" in found.what
        file.write_text(example.replace("[[letterhead]]", "[[letter]]"), "utf-8")
        (found,) = papers(Settings(province="11", letterheads=file))
        assert found.note
        assert "example" in found.what
        file.write_text("[", "utf-8")
        (found,) = papers(Settings(province="11", letterheads=file))
        assert not found.good
        assert "not valid TOML" in found.what
    finally:
        areas.use(None)


def test_an_account_that_owns_the_tables_is_named_and_no_fault(new_postgresql_url: str) -> None:
    db = Database(new_postgresql_url)
    found = db.read(_rights)
    db.close()
    assert found.good
    assert "owns the tables or is a superuser" in found.what


def test_a_library_of_another_version_than_the_release_locks_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert libraries() == Symptom("libraries", True, "All are the versions that this release locks.")
    old = tmp_path / "typer-0.1.0.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: typer\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    told = libraries()
    assert not told.good
    assert "typer 0.1.0 (locked: " in told.what
    assert "--requirement loa.lock" in told.what

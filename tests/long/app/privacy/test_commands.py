"""`loa retention` and `loa do-not-send`: the same as by workers and API, with masks and certificates."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from app.cli import app as loa
from app.cli import do_not_send_commands, receipts_commands, retention_commands, unknown_commands
from app.core.errors import Invalid, NotFound
from app.database import jobs
from app.database import models as m
from app.database.connection import Database
from app.database.jobs import Job
from app.privacy import certificates, terms_in_force
from app.privacy.certificates import EraserIdentity
from app.privacy.erasable import RetentionTerms
from app.security.phone_disclosure import ACTION
from tests.app.cli.test_campaign_commands import Shell
from tests.app.held import expire
from tests.engines import other_by_hand
from tests.long.app.privacy.past import over


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    db = Database(database_url)
    over(db)
    db.close()
    return Shell(database_url, tmp_path)


@other_by_hand
def test_what_is_due_is_listed_erased_and_certified(shell: Shell) -> None:
    listed = {
        (each["kind"], each["id"]): each
        for each in json.loads(shell(retention_commands.app, "list", "--json"))
    }
    assert listed["campaign", 1]["said"] == "90 days after its end, since no report was frozen"
    assert listed["batch", 2]["said"] == "Campaign 1 uses it."
    said = shell(retention_commands.app, "run")
    assert said.count("CHỨNG NHẬN XÓA DỮ LIỆU CÁ NHÂN") == 4
    assert "11  deliveries (tin nhắn gửi từng thuê bao)" in said
    assert shell(retention_commands.app, "run") == "Nothing is due."
    assert "erased: certificate 1" in shell(retention_commands.app, "list")
    assert shell(retention_commands.app, "certificate", "1") in said
    assert json.loads(shell(retention_commands.app, "certificate", "1", "--json"))["intact"] is True
    with pytest.raises(NotFound, match="There is no erasure 7"):
        shell(retention_commands.app, "certificate", "7")


@other_by_hand
def test_a_term_that_was_shortened_by_mistake_erases_nothing_until_it_is_confirmed(
    shell: Shell, database_url: str
) -> None:
    db = Database(database_url)
    db.write(terms_in_force.note, RetentionTerms(3650, 24))
    db.close()
    listed = shell.run(retention_commands.app, "list")
    run = shell.run(retention_commands.app, "run")
    for said in (listed.stderr, run.stderr):
        assert "retention_days was shortened from 3650 to 90." in said
        assert "until you confirm the shorter one with `loa retention confirm`" in said
    assert "3650 days after its end" in listed.stdout
    assert run.stdout.strip() == "Nothing is due."
    assert shell(retention_commands.app, "confirm") == "Confirmed: retention_days is 90 instead of 3650."
    assert shell(retention_commands.app, "confirm") == "No retention term is waiting for a confirmation."
    last = shell.run(retention_commands.app, "run")
    assert last.stdout.count("CHỨNG NHẬN XÓA DỮ LIỆU CÁ NHÂN") == 4
    assert "shortened" not in last.stderr


@other_by_hand
def test_an_erasure_that_was_stopped_is_not_told_as_nothing(shell: Shell, database_url: str) -> None:
    """Somebody has killed the command, and gives it again before another process may take over."""
    db = Database(database_url)
    job = db.write(jobs.take, Job(certificates.JOB, "", "gone:1:x:y"))
    assert job
    assert db.write(certificates.begin, EraserIdentity(job, "lan", RetentionTerms(90, 120)))
    result = shell.run(retention_commands.app, "run")
    assert result.exit_code == 1
    assert "Nothing is due" not in result.output
    assert re.search(r"An erasure is unfinished.*run this again in \d+ s", result.output)
    expire(db)
    db.close()
    assert shell(retention_commands.app, "run").count("CHỨNG NHẬN XÓA DỮ LIỆU CÁ NHÂN") == 4


@other_by_hand
def test_an_altered_certificate_ends_in_status_1(shell: Shell, database_url: str) -> None:
    shell(retention_commands.app, "run")
    db = Database(database_url)
    db.write(lambda c: c.execute(update(m.erasures).where(m.erasures.c.id == 1).values(rule="at will")))
    db.close()
    result = shell.run(retention_commands.app, "certificate", "1")
    assert result.exit_code == 1
    assert "KHÔNG KHỚP" in result.stdout


def test_numbers_come_by_argument_by_stdin_and_by_file(shell: Shell, tmp_path: Path) -> None:
    carrier = ("--carrier", "vnpt")
    assert "changed: 1" in shell(do_not_send_commands.app, "add", *carrier, "0912 345 678")
    typed = CliRunner().invoke(
        do_not_send_commands.app, ["add", *carrier, "--json"], "0912345679\n\nx\n", env=shell.env
    )
    assert json.loads(typed.stdout) == {
        "changed": 1,
        "unchanged": 0,
        "refused": [{"place": 2, "why": ("It contains characters that are not valid in a phone number.")}],
    }
    file = tmp_path / "list.csv"
    file.write_text("SĐT\n0912345678\n0912345680\nabc\n", encoding="utf-8")
    done = json.loads(shell(do_not_send_commands.app, "import", str(file), *carrier, "--json"))
    assert (done["changed"], done["unchanged"], [each["place"] for each in done["refused"]]) == (1, 1, [4])
    listed = shell(do_not_send_commands.app, "list", *carrier)
    assert "8491*****78" in listed
    assert "345678" not in listed
    assert "changed: 1" in shell(do_not_send_commands.app, "remove", *carrier, "0912345680")
    with pytest.raises(Invalid, match="Carrier “nobody” does not exist"):
        shell(do_not_send_commands.app, "add", "--carrier", "nobody", "0912345678")


def test_commands_mask_numbers_but_for_one_option_that_is_on_the_record(
    shell: Shell, tmp_path: Path, database_url: str
) -> None:
    out = tmp_path / "lines.csv"
    shell(receipts_commands.app, "lines", "1", "--out", str(out))
    assert "910100003" not in out.read_text("utf-8") + shell(unknown_commands.app, "list", "1")
    shell(receipts_commands.app, "lines", "1", "--out", str(out), "--whole-numbers")
    assert "84910100003" in out.read_text("utf-8")
    db = Database(database_url)
    sql = f"SELECT detail FROM audit WHERE action = '{ACTION}'"
    details = db.read(lambda c: [row[0] for row in c.exec_driver_sql(sql)])
    db.close()
    told = [json.loads(each) if isinstance(each, str) else each for each in details]
    assert told == [{"place": "receipt-lines-command", "numbers": 10}]


def test_nouns_are_called_as_people_write_them() -> None:
    said = CliRunner().invoke(loa, ["--help"]).stdout
    assert "do-not-send" in said
    assert "retention" in said

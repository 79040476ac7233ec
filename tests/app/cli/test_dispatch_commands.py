"""Links and unknown deliveries from the command line."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import typer
from sqlalchemy import update
from typer.testing import CliRunner

from app.cli import app as loa
from app.cli import delivery_commands, unknown_commands
from app.cli.operation_commands import add_operations
from app.core.errors import Invalid, NotFound, SetupError
from app.core.states import DeliveryState, NotSent
from app.database.connection import Database
from app.database.models import deliveries
from app.dispatch import link_store, links
from app.ledger.contract import SubmitOutcome
from carriers.contract import Halted, Unknown
from tests.app.cli.test_campaign_commands import Shell
from tests.app.world import FIRST_PHONE, build
from tests.exact import exactly

LINK = typer.Typer()
add_operations(LINK, "link", links)


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    return Shell(database_url, tmp_path)


@pytest.fixture(autouse=True)
def trouble(database_url: str) -> None:
    """A halted link, and two deliveries of run 1 whose answers were lost."""
    db = Database(database_url)
    world = build(db, 2)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(item, Unknown("no answer")) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    db.write(link_store.halt, world.link.id, Halted("0x0E", "the password is wrong"))
    db.close()


def states(url: str) -> dict[int, int]:
    from sqlalchemy import func, select

    from app.database.models import deliveries

    db = Database(url)
    query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
    found = dict(db.read(lambda c: [tuple(row) for row in c.execute(query)]))
    db.close()
    return found


@pytest.mark.longer
def test_a_halted_link_is_shown_and_resumed(shell: Shell) -> None:
    assert "the password is wrong" in shell(LINK, "list")
    assert json.loads(shell(LINK, "list", "--json"))[0]["state"] == "halted"
    assert shell(LINK, "list", "--output", "json") == shell(LINK, "list", "--json")
    head, line = shell(LINK, "list", "--output", "csv").splitlines()
    assert head.lstrip("\ufeff").startswith("id,name,carrier,state,")
    assert ",halted," in line
    assert shell(LINK, "resume", "1").startswith("The link was resumed.")


def test_a_link_is_resumed_by_its_name(shell: Shell) -> None:
    name = json.loads(shell(LINK, "list", "--json"))[0]["name"]
    with pytest.raises(NotFound, match="There is no link viettel-9"):
        shell(LINK, "resume", "viettel-9")
    assert shell(LINK, "resume", name).startswith("The link was resumed.")
    assert json.loads(shell(LINK, "list", "--json"))[0]["state"] == "running"


@pytest.mark.longer
def test_what_is_wrong_is_red_on_a_terminal_alone(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in a pipe, nor for who wants no colours."""
    shown = partial(CliRunner().invoke, LINK, ["list"], env=shell.env)
    assert typer.style("halted", fg="red") in shown(color=True).stdout
    assert "\x1b" not in shown().stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown(color=True).stdout


@pytest.mark.longer
def test_unknown_deliveries_are_listed_and_written_off(shell: Shell, database_url: str) -> None:
    listed = shell(unknown_commands.app, "list", "1")
    assert "8491*****00" in listed
    assert "84912000000" not in listed
    one = shell(unknown_commands.app, "write-off", "1", "--line", "1:2")
    assert one == "1 delivery of run 1 is written off."
    assert shell(unknown_commands.app, "write-off", "1", "--all") == "1 delivery of run 1 is written off."
    assert states(database_url) == {int(DeliveryState.UNKNOWN): 2}


@pytest.mark.parametrize("words", [[], ["--all", "--line", "1:2"], ["--line", "x"], ["--line", "1"]])
def test_an_unclear_choice_is_refused_in_words(shell: Shell, words: list[str]) -> None:
    with pytest.raises(Invalid, match="BATCH:LINE"):
        shell(unknown_commands.app, "write-off", "1", *words)


@pytest.mark.longer
def test_a_write_off_of_nothing_is_refused(shell: Shell) -> None:
    with pytest.raises(
        Invalid,
        match=exactly(
            "None of 4:4, 4:999999 is unknown in run 1: they are settled or do not exist. GET "
            "/v1/runs/1/unknown and `loa unknown list 1` show the unknown messages."
        ),
    ):
        shell(unknown_commands.app, "write-off", "1", "--line", "4:999999", "--line", "4:4")


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_sqlite_has_no_parts_that_run_apart(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOA_DATABASE_URL", raising=False)
    from typer.testing import CliRunner

    result = CliRunner().invoke(loa, [command])
    assert isinstance(result.exception, SetupError)
    assert "`loa up`" in result.exception.detail


@pytest.mark.longer
def test_migrate_says_the_revision(shell: Shell) -> None:
    assert shell(loa, "migrate").startswith("The schema is at revision 0")


@pytest.mark.longer
def test_why_a_person_got_nothing_is_said_in_words(shell: Shell, db: Database) -> None:
    why = {"state": int(DeliveryState.EXCLUDED), "reason": int(NotSent.DO_NOT_SEND)}
    db.write(lambda c: c.execute(update(deliveries).values(why)))
    said = shell(delivery_commands.app, "find", f"0{str(FIRST_PHONE)[2:]}")
    assert "excluded  do not send" in said


@pytest.mark.longer
def test_a_person_is_found_by_the_exact_number(shell: Shell) -> None:
    found = json.loads(shell(delivery_commands.app, "find", f"0{str(FIRST_PHONE)[2:]}", "--json"))
    assert [(each["campaign"], each["line"]) for each in found["deliveries"]] == [("Tet", 2)]
    assert found["phone"] == "8491*****00"
    assert " unknown " in shell(delivery_commands.app, "find", f"0{str(FIRST_PHONE)[2:]}")
    assert "8491*****99" in shell(delivery_commands.app, "find", "0919999999")

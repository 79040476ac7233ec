"""Under --server each command either asks the server or refuses; none does anything here."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli import app as loa
from app.cli import common
from carriers import registry
from tests import parity
from tests.app.cli.test_wrong import folder, refused
from tests.app.signed_orders.documents import signed_result
from tests.ports import refusing

__all__ = ["folder"]
# Commands of this host, which no operation of the API has.
HERE = {
    *(("up",), ("serve",), ("worker",), ("migrate",), ("verify",), ("doctor",)),
    *(("try",), ("demo",)),
    *(("retention", "run"), ("retention", "confirm"), ("campaign", "sign"), ("report", "build")),
    *(("carrier", verb) for verb in ("list", "check", "test-send", "figures", "failures")),
    *(("database", verb) for verb in ("backup", "copy", "entered-again", "restored")),
    *(("user", verb) for verb in ("totp", "reseal", "sign")),
    ("audit", "seal"),
    ("do-not-send", "seal"),
    ("signing-key", "new"),
    *(("simulate", verb) for verb in ("smsc", *registry.OWN) if verb != "smpp"),
}
# Commands that ask the server for what other commands stand for in tests/parity.py.
ALSO = {
    ("addressee", "channels"): "addressee channels 1",
    ("budget", "show"): "budget show 1",
    ("do-not-send", "import"): "do-not-send import list.csv --carrier vnpt",
}


def leaves() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command by its words."""
    group: Any = typer.main.get_command(loa)
    for name in group.commands:
        command = group.commands[name]
        if hasattr(command, "commands"):
            yield from (((name, verb), each) for verb, each in command.commands.items())
        else:
            yield (name,), command


# What commands of this host need to be carried out.
ARGUMENTS = {
    ("audit", "seal"): "--head 1:x",
    ("campaign", "sign"): "1 --digest x",
    ("carrier", "check"): "viettel",
    ("carrier", "failures"): "viettel --day 2024-02-09 --sender CASONLA",
    ("carrier", "figures"): "viettel --from 2024-02-09 --to 2024-02-09",
    ("carrier", "test-send"): "viettel 0912345678 --sender CASONLA --text Canh-giac",
    ("database", "backup"): "copy.sqlite3",
    ("database", "copy"): "--to postgresql://127.0.0.1/x",
    ("do-not-send", "seal"): "--carrier viettel",
    ("signing-key", "new"): "own.pem",
    ("user", "totp"): "lan",
}


SPOKEN = {tuple(command.split()[:2]): command for command in parity.COMMANDS.values()}
COMMANDS = dict(leaves())


def test_each_command_is_known_to_ask_a_server_or_to_work_here() -> None:
    assert {*SPOKEN, *ALSO, *HERE} == set(COMMANDS)
    assert not ({*SPOKEN, *ALSO} & HERE)


@pytest.mark.parametrize("words", sorted(COMMANDS), ids=" ".join)
def test_under_a_server_nothing_happens_here(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
) -> None:
    monkeypatch.setenv("LOA_KEY", "loa_abcd_secret")
    for name in ("list.csv", "results.csv", "form.xlsx", "scan.pdf"):
        (folder / name).write_text("phone\n0912345678\n", encoding="utf-8")
    (folder / "figures.json").write_text(json.dumps({"level": "handset"}), encoding="utf-8")
    (folder / "result.json").write_bytes(signed_result())
    before = sorted(folder.rglob("*"))
    spoken = {**SPOKEN, **ALSO}.get(words)
    monkeypatch.setattr("sys.stdin", open(folder / "list.csv", encoding="utf-8"))  # noqa: SIM115
    with refusing() as port:
        monkeypatch.setenv("LOA_SERVER", f"http://127.0.0.1:{port}")
        command = shlex.split(spoken) if spoken else [*words, *ARGUMENTS.get(words, "").split()]
        status, said = refused(monkeypatch, capsys, *command)
    common.server = None
    assert status == 1, said
    assert ("can't be reached" if spoken else "without --server") in said, said
    assert sorted(folder.rglob("*")) == before

"""`make attack` says of each attack whether Loa held, and ends with 1 where it did not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.attack import __main__ as attacks
from tests.attack.hostile import LINES, QUICK, STORED, WORKBOOKS
from tests.attack.outcome import Outcome, bar, table
from tests.attack.spelling import SPELLED
from tests.attack.tampered import ways


def test_a_table_counts_what_is_broken() -> None:
    found = [Outcome("ids", "as nobody", 12, "a row is another", False), bar("files", "MB", 299.5, 300, 1)]
    said = table(found)
    assert "BROKEN     12  as nobody: a row is another" in said
    assert "held        1  MB: 299.50 (at most 300)" in said
    assert said.endswith("2 attacks, 13 tries: 1 BROKEN.")


@pytest.mark.prove
@pytest.mark.longer
@pytest.mark.parametrize("held", [True, False])
def test_any_success_of_the_attacker_is_an_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    async def one(_engine: str, _short: bool) -> list[Outcome]:
        return [Outcome("this", "that", 1, "so", held)]

    out = tmp_path / "build" / "attack.json"
    monkeypatch.setattr(attacks, "PARTS", {"one": attacks.Part(one)})
    monkeypatch.setattr("sys.argv", ["attack", "--short", "--out", str(out)])
    assert attacks.main() == int(not held)
    kept = json.loads(out.read_text())
    assert (kept["broken"], kept["attacks"][0]["held"]) == (int(not held), held)


@pytest.mark.prove
def test_an_attack_that_can_not_be_made_keeps_no_other_from_being_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails(_engine: str, _short: bool) -> list[Outcome]:
        raise ValueError("no port")

    async def one(_engine: str, _short: bool) -> list[Outcome]:
        return [Outcome("this", "that", 1, "so", True)]

    monkeypatch.setattr(attacks, "PARTS", {"bad": attacks.Part(fails), "one": attacks.Part(one)})
    monkeypatch.setattr("sys.argv", ["attack", "--short", "--out", str(tmp_path / "attack.json")])
    assert attacks.main() == 1
    assert "could not be made: ValueError('no port')" in capsys.readouterr().out


def test_there_are_as_many_as_are_promised() -> None:
    assert len(WORKBOOKS | LINES) >= 60
    assert {*QUICK, *STORED} <= {*WORKBOOKS, *LINES}
    assert len(SPELLED) == 13  # twelve spellings, and the number itself
    assert len(list(ways(short=False))) > 30

"""Recordings from the command line of the host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import campaign_commands, recording_commands
from app.core.errors import Conflict, Invalid
from tests.app.cli.test_campaign_commands import SENDER, Shell
from tests.sounds import mp3, wav

WORDS = "Công an không làm việc qua điện thoại."


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    return Shell(database_url, tmp_path)


@pytest.fixture
def campaign(shell: Shell) -> str:
    made = shell(campaign_commands.app, "create", "Tet", *SENDER, "--text", "Canh giac.")
    return made.removeprefix("Campaign ")


@pytest.mark.longer
def test_a_recording_is_added_listed_saved_and_removed(shell: Shell, campaign: str, tmp_path: Path) -> None:
    voice, out = tmp_path / "voice.mp3", tmp_path / "out.mp3"
    voice.write_bytes(mp3(80))
    app = recording_commands.app
    shell(app, "add", campaign, str(voice), "--wording", WORDS, "--language", "hmn", "--area", "116")
    (found,) = json.loads(shell(app, "list", campaign, "--json"))
    assert (found["language"], found["areas"], found["duration_ms"]) == ("hmn", ["116"], 2089)
    shell(app, "save", campaign, str(found["id"]), "--out", str(out))
    assert out.read_bytes() == mp3(80)
    shell(app, "remove", campaign, str(found["id"]))
    assert json.loads(shell(app, "list", campaign, "--json")) == []


@pytest.mark.longer
def test_a_run_that_calls_is_added_and_not_submitted_without_a_recording(
    shell: Shell, campaign: str, tmp_path: Path
) -> None:
    held = ("add-held-run", campaign, "--carrier", "vnpt", "--estimated", "9000", "--spoken")
    shell(campaign_commands.app, *held)
    with pytest.raises(Conflict, match="no recording for all of its areas"):
        shell(campaign_commands.app, "submit", campaign)
    voice = tmp_path / "voice.wav"
    voice.write_bytes(wav(2))
    shell(recording_commands.app, "add", campaign, str(voice), "--wording", WORDS)
    shell(campaign_commands.app, "submit", campaign)
    shown = json.loads(shell(campaign_commands.app, "show", campaign, "--json"))
    assert [each["wording"] for each in shown["recordings"]] == [WORDS]
    assert shown["cost"] == {"subscribers": 0, "sms_parts": 0, "called": 9000}


@pytest.mark.longer
@pytest.mark.parametrize("content", [None, b"<html></html>"])
def test_what_is_no_recording_is_refused(
    shell: Shell, campaign: str, tmp_path: Path, content: bytes | None
) -> None:
    voice = tmp_path / "voice.wav"
    if content is not None:
        voice.write_bytes(content)
    with pytest.raises(Invalid) as caught:
        shell(recording_commands.app, "add", campaign, str(voice), "--wording", WORDS)
    assert caught.value.field == "file"

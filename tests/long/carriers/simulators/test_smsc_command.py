"""The command that runs the simulated message centre, and `loa simulate`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer.testing

from app.cli.simulate_commands import app
from carriers.simulators import process
from carriers.simulators.smsc import command as smsc_command
from carriers.simulators.smsc.behaviour import SmscBehaviour
from carriers.simulators.smsc.outcomes import BY_NUMBER
from carriers.smpp import pdu
from tests.long.carriers.simulators.esme import bound, connect, until

LISTENING = "listening on 127.0.0.1:"


def run(*argv: str) -> int:
    return smsc_command.main(["--port", "0", *argv])


def test_it_says_where_it_listens_and_in_the_end_what_it_saw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "build" / "smsc.json"
    assert run("--for", "0.05", "--json", "--out", str(out)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(LISTENING)
    assert any(line.split() == ["submits", "0"] for line in lines)
    report = json.loads(lines[-1])
    assert report == json.loads(out.read_text())
    assert {
        "distinct_numbers",
        "copies_max",
        "parts",
        "receipts_sent",
        "receipts_acknowledged",
    } <= report.keys()
    assert report["elapsed_s"] >= 0.05


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--throttle", "much"], "throttle: 'much' is not a number"),
        (["--throttle", "2"], "the shares of answers must be"),
        (["--account", "loa"], "--account 'loa' must be SYSTEM_ID:PASSWORD"),
        (["--at", "throttle=1"], "--at 'throttle=1' must be SECONDS:NAME=VALUE"),
        (["--at", "1:explode"], "'explode' is no action; give one of drop, unbind, close, open"),
        (["--at", "1:throttle=2"], "the shares of answers must be"),
        (["--tls-cert", "missing.pem"], "No such file"),
    ],
)
def test_a_wrong_flag_is_refused_before_anything_starts(
    argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        run(*argv)
    assert refused.value.code == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert not printed.out


def test_the_help_lists_every_manner_and_every_number_with_a_fate(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--help")
    text = capsys.readouterr().out
    assert all(ending.decode() in text and special.what in text for ending, special in BY_NUMBER.items())
    assert "--receipt-delay-s" in text


async def in_background(*argv: str) -> tuple[int, asyncio.Task[dict[str, object]]]:
    """The centre of a command line in this very loop, and its port."""
    parser = smsc_command._parser()
    options = parser.parse_args(["--port", "0", *argv])
    smsc = smsc_command._smsc(options)
    steps = [process.read_step(text, SmscBehaviour, smsc_command.ACTIONS) for text in options.at]
    task = asyncio.create_task(smsc_command._serve(smsc, steps, options))
    await until(lambda: smsc.port)
    return smsc.port, task


async def test_it_stops_when_all_is_said_and_reported() -> None:
    port, serving = await in_background(
        "--until-idle", "0.05", "--receipt-delay-s", "0.2", "--account", "loa:x", "--by-number"
    )
    async with bound(port) as esme:
        esme.submit(b"84910009907")
        await esme.next()
        receipt = await esme.next()
        assert not serving.done()
        esme.acknowledge(receipt)
        report = await serving
    assert (report["submits"], report["receipts_acknowledged"]) == (1, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it(number: signal.Signals) -> None:
    port, serving = await in_background()
    async with bound(port) as esme:
        assert (await esme.call(pdu.ENQUIRE_LINK)).status == 0
        os.kill(os.getpid(), number)
        assert (await serving)["binds"] == 1


async def test_behaviour_and_links_change_at_the_times_given() -> None:
    steps = ["--at", "0.02:throttle=1", "--at", "0.3:unbind", "--at", "0.4:drop", "--at", "0.5:close"]
    port, serving = await in_background(*steps, "--at", "0.6:open", "--for", "0.8")
    async with bound(port) as esme:
        await asyncio.sleep(0.05)
        esme.submit()
        assert (await esme.next()).status == pdu.ESME_RTHROTTLED
        assert (await esme.next()).command == pdu.UNBIND
        assert await esme.gone()
    refused = False
    while not refused:
        try:
            async with connect(port):
                await asyncio.sleep(0.005)
        except OSError:
            refused = True
    report = await serving
    assert report["throttled"] == 1


def started(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *command, "--port", "0"], stdout=subprocess.PIPE, text=True
    )


def test_the_module_runs_by_itself_and_a_signal_makes_it_report() -> None:
    with started("carriers.simulators.smsc", "--json") as process:
        guard = threading.Timer(20, process.kill)
        guard.start()
        assert process.stdout.readline().startswith(LISTENING)
        process.send_signal(signal.SIGTERM)
        assert json.loads(process.stdout.read().splitlines()[-1])["submits"] == 0
        assert process.wait() == 0
        guard.cancel()


def test_loa_simulate_smsc_is_the_same_command() -> None:
    result = typer.testing.CliRunner().invoke(
        app, ["smsc", "--port", "0", "--for", "0.01", "--json", "--throttle", "0.5"]
    )
    assert result.exit_code == 0
    assert result.output.startswith(LISTENING)
    assert json.loads(result.output.splitlines()[-1])["submits"] == 0


def test_loa_simulate_smsc_help_is_the_commands_own() -> None:
    result = typer.testing.CliRunner().invoke(app, ["smsc", "--help"])
    assert "--receipt-window" in result.output

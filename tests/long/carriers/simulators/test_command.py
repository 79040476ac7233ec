"""The commands that run the simulated carriers: as a process, and as `loa simulate`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import typer.testing

from app.cli.simulate_commands import app, known_simulators
from carriers.simulators import process
from carriers.simulators.mobifone import Mobifone
from carriers.simulators.process import Simulator
from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.simulators.smsc.behaviour import BY_NUMBER
from carriers.smpp import pdu
from tests.long.carriers.simulators.esme import bound, until

LISTENING = "listening on 127.0.0.1:"


@pytest.mark.parametrize(
    ("simulator", "argv", "sentence"),
    [
        (Smsc, ["--throttle", "much"], "throttle: 'much' is not a number"),
        (Smsc, ["--throttle", "2"], "the shares of answers must be"),
        (Smsc, ["--account", "loa"], "--account 'loa' must be SYSTEM_ID:PASSWORD"),
        (Mobifone, ["--hang", "much"], "hang: 'much' is not a number"),
        (Mobifone, ["--hang", "2"], "the shares of troubles must be"),
    ],
)
def test_a_wrong_flag_is_refused_before_anything_starts(
    simulator: type[Simulator], argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        process.run(simulator, ["--port", "0", *argv])
    assert refused.value.code == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert not printed.out


def test_the_help_lists_every_manner_and_every_number_with_a_fate() -> None:
    text = typer.testing.CliRunner().invoke(app, ["smsc", "--help"]).output
    assert all(ending.decode() in text and what in text for ending, (what, _, _) in BY_NUMBER.items())
    assert "--receipt-delay-s" in text


async def in_background(*argv: str) -> tuple[int, asyncio.Task[dict[str, object]]]:
    """The centre of a command line in this very loop, and its port."""
    options = process._parser(Smsc).parse_args(["--port", "0", *argv])
    smsc = Smsc.from_flags(process._behaviour(SmscBehaviour, options), options)
    task = asyncio.create_task(process._serve(smsc, options))
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


@contextmanager
def mobifone(*argv: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The simulator as a process of its own, and its base_url."""
    command = [sys.executable, "-m", "carriers.simulators.mobifone", "--port", "0", "--json", *argv]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            first = running.stdout.readline().strip()
            assert first.startswith(LISTENING)
            yield running, f"http://127.0.0.1:{first.rpartition(':')[2]}/smsg"
        finally:
            running.kill()


def send(url: str, phone: str) -> str:
    with httpx.Client(base_url=url, trust_env=False) as client:
        sid = client.get("/login.jsp", params={"userName": "loa", "password": "pw"}).json()["sid"].strip()
        fields = {"sid": sid, "sender": "LOA", "recipient": phone, "content": "Canh bao"}
        return client.post("/send.jsp", data=fields).text


def test_a_signal_ends_it_with_its_report_and_its_result_file(tmp_path: Path) -> None:
    results = tmp_path / "results.csv"
    with mobifone("--account", "loa:pw", "--result-file", str(results)) as (running, url):
        assert '"200"' in send(url, "84901230001")
        send(url, "84901230002")
        running.terminate()
        said, _ = running.communicate(timeout=10)
        assert running.returncode == 0
    report = json.loads(said.splitlines()[-1])
    assert (report["distinct_numbers"], report["copies_max"]) == (2, 1)
    assert len(results.read_text("utf-8").splitlines()) == 3


def test_it_stops_when_nothing_is_asked_any_more() -> None:
    with mobifone("--until-idle", "0.3") as (running, url):
        send(url, "84901230001")
        said, _ = running.communicate(timeout=10)
    assert json.loads(said.splitlines()[-1])["submits"] == 1


@pytest.mark.parametrize("simulator", [*known_simulators()], ids=lambda each: each.name)
def test_loa_simulate_passes_every_flag_on(simulator: type[Simulator]) -> None:
    flags = ["--port", "0", "--for", "0.05", "--seed", "3", "--json"]
    said = typer.testing.CliRunner().invoke(app, [simulator.name, *flags])
    assert said.exit_code == 0
    lines = said.output.splitlines()
    assert lines[0].startswith(LISTENING)
    assert any(line.split() == ["submits", "0"] for line in lines)
    report = json.loads(lines[-1])
    assert {"distinct_numbers", "copies_max", "receipts_sent", "receipts_acknowledged"} <= report.keys()
    assert report["elapsed_s"] >= 0.05


def test_loa_simulate_knows_all_four() -> None:
    assert {each.name for each in known_simulators()} == {"smsc", "vnpt", "viettel", "mobifone"}

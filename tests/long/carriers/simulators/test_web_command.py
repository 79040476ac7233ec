"""The command that runs a simulated carrier over HTTP, as a process and as `loa simulate`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import typer.testing

from app.cli.simulate_commands import app, web_simulators
from carriers.simulators.mobifone import Mobifone
from carriers.simulators.web.command import run

LISTENING = "listening on 127.0.0.1:"


@contextmanager
def process(*argv: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
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
    results, out = tmp_path / "results.csv", tmp_path / "build" / "report.json"
    with process("--account", "loa:pw", "--result-file", str(results), "--out", str(out)) as (running, url):
        assert '"200"' in send(url, "84901230001")
        running.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 10
        while not results.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(results.read_text("utf-8").splitlines()) == 2
        send(url, "84901230002")
        running.terminate()
        said, _ = running.communicate(timeout=10)
        assert running.returncode == 0
    report = json.loads(said.splitlines()[-1])
    assert report == json.loads(out.read_text())
    assert (report["distinct_numbers"], report["copies_max"]) == (2, 1)
    assert len(results.read_text("utf-8").splitlines()) == 3


def test_it_stops_when_nothing_is_asked_any_more(tmp_path: Path) -> None:
    with process("--until-idle", "0.3", "--out", str(tmp_path / "x.json")) as (running, url):
        send(url, "84901230001")
        said, _ = running.communicate(timeout=10)
    assert json.loads(said.splitlines()[-1])["submits"] == 1


def test_behaviour_change_at_the_times_given(tmp_path: Path) -> None:
    at = ("--at", "0:throttle=1", "--at", "0.1:results", "--result-file", str(tmp_path / "r.csv"))
    with process(*at, "--out", str(tmp_path / "x.json")) as (running, url):
        time.sleep(0.2)
        assert "429" in send(url, "84901230001")
        running.terminate()
        running.communicate(timeout=10)
    assert (tmp_path / "r.csv").exists()


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--hang", "much"], "hang: 'much' is not a number"),
        (["--hang", "2"], "the shares of troubles must be"),
        (["--at", "1:explode"], "'explode' is no action; give one of drop, close, open, results"),
        (["--at", "1:hang=2"], "the shares of troubles must be"),
        (["--tls-cert", "missing.pem"], "No such file"),
    ],
)
def test_a_wrong_flag_is_refused_before_anything_starts(
    argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        run(Mobifone, ["--port", "0", *argv])
    assert refused.value.code == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert not printed.out


@pytest.mark.parametrize("simulator", [*web_simulators()], ids=lambda each: each.name)
def test_loa_simulate_passes_every_flag_on(simulator, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    flags = ["--port", "0", "--for", "0.05", "--seed", "3", "--json", "--out", str(tmp_path / "x.json")]
    said = typer.testing.CliRunner().invoke(app, [simulator.name, *flags])
    assert said.exit_code == 0
    assert said.output.startswith(LISTENING)
    assert json.loads(said.output.splitlines()[-1])["submits"] == 0

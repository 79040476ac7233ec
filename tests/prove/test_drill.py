"""`make drill` as people start it: it passes on both engines, and fails when a number is sent twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carriers.smpp import pdu
from tests.drill.cluster import programs
from tests.drill.run_drill import FIRST
from tests.faults.processes import free_port
from tests.long.carriers.simulators.esme import bound

PATIENCE_S = 150


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Any]:
    started: list[subprocess.Popen[str]] = []

    def start(*flags: str) -> subprocess.Popen[str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("LOA_")}
        command = [sys.executable, "-m", "tests.drill", "--out", str(tmp_path / "drill.json"), "--json"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started.append(subprocess.Popen([*command, *flags], env=own, **pipes))
        return started[-1]

    yield start
    for process in started:
        with process:
            process.terminate()


def figures(said: str) -> dict[str, Any]:
    return dict(json.loads(said.splitlines()[-1]))


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_short_plan_copies_and_loses_nothing(drill: Any, engine: str, tmp_path: Path) -> None:
    """T08, T31, T41, T50: whatever is killed or misbehaves, the carrier counts one copy for each number."""
    if engine == "postgresql" and programs() is None:
        pytest.skip("PostgreSQL's own programs (initdb, pg_ctl) are not installed")
    plan = ("--engine", engine, "--seed", "32", "--messages", "600", "--faults", "7", "--rate", "60")
    process = drill(*plan)
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    found = figures(said)
    assert (found["passed"], found["objections"], found["copies_max"]) == (True, [], 1)
    assert found["faults_done"] + sum(row["skipped"] != "" for row in found["by_fault"]) == 7
    assert found["numbers_taken"] + found["unknown_left"] == 600
    kills = [event for event in found["events"] if event["point"]]
    assert [event for event in kills if not event["words"]], "no point of the code was reached"
    assert found["recovery_max_s"] > 0
    assert json.loads((tmp_path / "drill.json").read_text()) == found
    assert list(tmp_path.iterdir()) == [tmp_path / "drill.json"], "a drill that passed leaves no folder"


def test_a_drill_that_is_told_to_stop_leaves_nothing_running(drill: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("DRILL_MARK", mark := uuid.uuid4().hex)
    process = drill("--messages", "5000", "--faults", "3")
    while "kill -9" not in process.stdout.readline():
        assert process.poll() is None
    assert len(alive(mark)) > 1
    process.terminate()
    process.communicate(timeout=PATIENCE_S)
    assert alive(mark) == []


def alive(mark: str) -> list[str]:
    """Processes with this mark in their environment."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (each / "environ").read_bytes():
                found.append(each.name)
    return found


async def test_a_number_that_is_sent_twice_makes_it_fail(drill: Any) -> None:
    """Somebody else sends to one number of the drill's: the carrier counts two copies."""
    port = free_port()
    process = drill("--messages", "200", "--faults", "3", "--rate", "200", "--port", str(port))
    for _ in range(600):
        with contextlib.suppress(ConnectionRefusedError):
            async with bound(port, pdu.BIND_TRANSMITTER, "other") as other:
                other.submit(str(FIRST + 5).encode(), registered=0)
                assert (await other.next()).status == 0
            break
        await asyncio.sleep(0.05)
    said, _ = await asyncio.to_thread(process.communicate, timeout=PATIENCE_S)
    assert process.returncode == 1, said
    assert "FAILED: 1 numbers received more than one copy, such as 8496*****05." in said
    found = figures(said)
    assert (found["passed"], found["copies_max"]) == (False, 2)

"""Kannel and Loa in turns: the same messages, the same simulator, every receipt followed to the end."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, Limit
from tests.bench.kannel_driver import USER
from tests.bench.machinery import RECEIPT_FLAGS, cpu_of, simulator
from tests.bench.path_bench import WINDOW, complete
from tests.faults.processes import free_port

PROGRAMS = ("bearerbox", "smsbox")
MISSING = "Kannel is left out: bearerbox and smsbox are not installed here (Debian: apt-get install kannel)."
ROUNDS = 3
_TEXT = "Canh giac lua dao"
_START_S = 30.0
_CONFIG = """\
group = core
admin-port = {admin}
admin-password = {user}
smsbox-port = {box}
store-type = file
store-location = {folder}/kannel.store
dlr-storage = internal
log-file = {folder}/bearerbox.log
log-level = 2

group = smsc
smsc = smpp
smsc-id = simulator
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = loa
smsc-password = loa
system-type = ""
max-pending-submits = {window}

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}
global-sender = CA SONLA
log-file = {folder}/smsbox.log
log-level = 2

group = sendsms-user
username = {user}
password = {user}
concatenation = true
max-messages = 10
"""


def installed() -> bool:
    """Whether Kannel can be run here."""
    return all(map(shutil.which, PROGRAMS))


def compare(engines: Sequence[str], count: int, rounds: int = ROUNDS) -> list[Figure]:
    """Rates and CPU of Loa on each engine against Kannel's medians."""
    peer: list[dict[str, float]] = []
    own: dict[str, list[dict[str, float]]] = {engine: [] for engine in engines}
    for _ in range(rounds):
        peer.append(kannel(count))
        for engine in engines:
            own[engine].append(_loa(engine, count))
    rate, cpu = _medians(peer)
    found = [Figure("kannel_repeated_receipts", sum(each["repeated"] for each in peer))]
    for engine, runs in own.items():
        own_rate, own_cpu = _medians(runs)
        faster = Limit("kannel_messages_per_second", rate, bar=2.5)
        cheaper = Limit("kannel_cpu_s_per_1000", cpu, bar=1, ceiling=True)
        found.append(Figure(f"{engine}_against_kannel_messages_per_second", own_rate, faster))
        found.append(Figure(f"{engine}_against_kannel_cpu_s_per_1000", own_cpu, cheaper))
    return found


def _medians(runs: Sequence[dict[str, float]]) -> tuple[float, float]:
    return statistics.median(each["rate"] for each in runs), statistics.median(each["cpu"] for each in runs)


def _loa(engine: str, count: int) -> dict[str, float]:
    """With the CPU of the PostgreSQL server, where there is one, since Kannel is its own store."""
    got = complete(engine, count)
    cpu = got["loa_cpu_s_per_1000"] + got.get("server_cpu_s_per_1000", 0.0)
    return {"rate": got["complete_messages_per_second"], "cpu": cpu}


def kannel(count: int) -> dict[str, float]:
    """Messages/s from the first request to the last receipt, and CPU seconds per 1,000 of both its boxes."""
    with simulator(*RECEIPT_FLAGS) as smsc:
        got, cpu = driven(count, smsc.port)
        seen = smsc.stop()
    if got["statuses"] != {"202": count} or got["reported"] != count or seen["distinct_numbers"] != count:
        raise SystemExit(f"Kannel did not complete: {got}, the simulator saw {seen['distinct_numbers']}.")
    return {"rate": count / got["seconds"], "cpu": 1000 * cpu / count, "repeated": got["repeated"]}


def driven(count: int, smsc: int) -> tuple[dict[str, Any], float]:
    """Send so many to the centre at this port; what the driver saw, and CPU seconds of both boxes."""
    folder = tempfile.TemporaryDirectory(prefix="loa-kannel-")
    with folder as name, _boxes(Path(name), smsc) as (boxes, port):
        before = sum(cpu_of(box.pid) for box in boxes)
        work = json.dumps({"port": port, "count": count, "text": _TEXT})
        command = [sys.executable, "-m", "tests.bench.kannel_driver", work]
        got = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return got, sum(cpu_of(box.pid) for box in boxes) - before


@contextlib.contextmanager
def _boxes(folder: Path, smsc: int) -> Iterator[tuple[list[subprocess.Popen[bytes]], int]]:
    """Both boxes with a configuration of their own, bound and listening; killed at the end."""
    admin, box, send = free_port(), free_port(), free_port()
    config = folder / "kannel.conf"
    ports = {"admin": admin, "box": box, "send": send, "smsc": smsc}
    config.write_text(_CONFIG.format(folder=folder, user=USER, window=WINDOW, **ports), encoding="utf-8")
    boxes: list[subprocess.Popen[bytes]] = []
    try:
        for program, port in zip(PROGRAMS, (box, send), strict=True):
            command, quiet = [str(shutil.which(program)), str(config)], subprocess.DEVNULL
            boxes.append(subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=folder))
            _listens(boxes[-1], port)
        time.sleep(1.0)  # for its bind
        yield boxes, send
    finally:
        for process in reversed(boxes):
            process.kill()
            process.wait(timeout=30)


def _listens(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait for the port."""
    end = time.monotonic() + _START_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"Kannel does not start: {process.args!r} ended with {process.returncode}.")
        time.sleep(0.1)

"""Loa and its simulated centre against node-smpp, Net::SMPP and Wireshark's dissector, which others wrote.

`make prove PART=foreign`. Each is skipped with a sentence where its program is not on the machine (Debian:
nodejs and npm, libnet-smpp-perl, tshark).
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import campaigns
from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.text import segments
from tests.app.world import World, approve, build
from tests.faults.processes import free_port
from tests.faults.working import run_state, until, working

HERE = Path(__file__).with_name("foreign")
COUNT, CLIENTS, CAPTURED = 3000, 300, 100_000
_PLAIN, _ACCENTED = "Canh giac lua dao", "Cảnh giác với cuộc gọi lừa đảo mạo danh công an. " * 2


def _needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine")


def _needs_net_smpp() -> None:
    _needs("perl")
    if subprocess.run(["perl", "-MNet::SMPP", "-e", "1"], capture_output=True).returncode:
        pytest.skip("Net::SMPP is not on this machine (Debian: libnet-smpp-perl)")


@contextmanager
def _captured(port: int, file: Path) -> Iterator[None]:
    """Keep what goes over this port of the loopback; skips where this account may not."""
    command = ["dumpcap", "-q", "-i", "lo", "-B", "64", "-f", f"tcp port {port}", "-w", str(file)]
    capture = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert capture.stderr is not None
        if "Capturing" not in capture.stderr.readline():
            pytest.skip("this account may not capture")
        capture.stderr.readline()  # the file is open
        yield
        time.sleep(2.0)  # the kernel hands packets over in blocks
        capture.terminate()
        assert "/0 (" in capture.communicate()[1], "the capture has dropped packets"
    finally:
        capture.kill()
        capture.wait()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with node-smpp and our scripts for it."""
    _needs("node", "npm")
    folder = tmp_path_factory.mktemp("node")
    for script in ("centre.js", "client.js"):
        shutil.copy(HERE / script, folder)
    done = subprocess.run(["npm", "install", "--silent", "smpp@0.5"], cwd=folder, capture_output=True)
    if done.returncode:
        pytest.skip("npm does not get smpp")
    return folder


class NodeCentre:
    """node-smpp as the carrier's message centre."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        command = ["node", "centre.js", str(self.port)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def report(self) -> dict[str, object]:
        return dict(json.loads(self.process.communicate(timeout=10)[0]))


@pytest.fixture
def node_centre(node: Path) -> Iterator[NodeCentre]:
    found = NodeCentre(node)
    yield found
    found.process.kill()
    found.process.wait()


def _queue(world: World, text: str) -> None:
    """Queue every subscriber of the batch, for this text."""

    def write(c: Connection) -> None:
        c.execute(update(campaigns).values(texts={"": text}))
        approve(c, world.campaign)
        world.ledger.open_campaign(c, world.campaign)
        while world.ledger.fan_out(c, world.run, world.batch, {"": segments(text)}, 10_000).more:
            pass

    world.db.write(write)


@pytest.mark.parametrize("text", [_PLAIN, _ACCENTED], ids=["plain", "parts in UCS-2"])
async def test_node_smpp_as_a_centre_gets_each_number_once_and_its_receipts_are_applied(
    db: Database, node_centre: NodeCentre, text: str
) -> None:
    world = build(db, COUNT, chunk=500)
    _queue(world, text)
    parts = segments(text)
    async with working(world, node_centre, segments_per_second=2000):
        await until(lambda: run_state(world) == RunState.FINISHED, "the run is finished")
    assert world.states() == {DeliveryState.DELIVERED: COUNT}
    world.check()
    seen = node_centre.report()
    assert (seen["numbers"], seen["most"], seen["errors"]) == (COUNT, parts, 0)
    assert seen["acknowledged"] == seen["receipts"] == COUNT * parts
    texts = [each.partition(" ") for each in seen["texts"]]  # type: ignore[attr-defined]
    assert {coding for coding, _, _ in texts} == ({"0"} if text is _PLAIN else {"8"})
    assert len("".join(words for _, _, words in texts)) == len(text)


async def _centre_and(command: list[str], folder: Path) -> tuple[str, Smsc]:
    """Run a client against our centre; what it said."""
    async with Smsc(SmscBehaviour(receipt_delay_s=0.05), accounts={"loa": "x"}) as smsc:
        ported = [part.replace("PORT", str(smsc.port)) for part in command]
        done = await asyncio.to_thread(
            subprocess.run, ported, cwd=folder, capture_output=True, text=True, timeout=90
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, smsc


async def test_node_smpp_as_a_client_understands_our_centre(node: Path) -> None:
    said, smsc = await _centre_and(["node", "client.js", "PORT", str(CLIENTS)], node)
    assert json.loads(said) == {
        "accepted": CLIENTS,
        "refused": 0,
        "receipts": CLIENTS,
        "delivered": CLIENTS,
        "strange": 0,
    }
    assert smsc.report()["distinct_numbers"] == CLIENTS


async def test_net_smpp_as_a_client_understands_our_centre(tmp_path: Path) -> None:
    _needs_net_smpp()
    said, smsc = await _centre_and(["perl", str(HERE / "client.pl"), "PORT", str(CLIENTS)], tmp_path)
    assert said == f"{CLIENTS} {CLIENTS}\n"
    assert smsc.report()["distinct_numbers"] == CLIENTS


async def test_wireshark_finds_no_malformed_pdu_among_100_000_messages(db: Database, tmp_path: Path) -> None:
    _needs("dumpcap", "tshark")
    file = tmp_path / "run.pcap"
    world = build(db, CAPTURED, chunk=1000)
    _queue(world, _PLAIN)
    async with Smsc(SmscBehaviour(receipt_delay_s=0.1)) as smsc:
        with _captured(smsc.port, file):
            async with working(world, smsc, segments_per_second=20_000, window=500):
                await until(lambda: run_state(world) == RunState.FINISHED, "the run is finished", 240)
        port = smsc.port
    pdus = await asyncio.to_thread(_dissected, file, port)
    malformed = pdus.pop("malformed")
    assert malformed == 0
    for name, number in (("submit_sm", 4), ("submit_sm_resp", 0x80000004)):
        assert pdus[number] == CAPTURED, name
    for name, number in (("deliver_sm", 5), ("deliver_sm_resp", 0x80000005)):
        assert pdus[number] >= CAPTURED, name
    assert world.states() == {DeliveryState.DELIVERED: CAPTURED}


def _dissected(file: Path, port: int) -> Counter[int | str]:
    """PDUs by command, and what the dissector calls malformed or wrong."""
    fields = ("-T", "fields", "-e", "smpp.command_id", "-e", "_ws.malformed", "-e", "_ws.expert.severity")
    command = ["tshark", "-r", str(file), "-d", f"tcp.port=={port},smpp", "-Y", "smpp", *fields]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
    found: Counter[int | str] = Counter({"malformed": 0})
    for line in lines.splitlines():
        commands, malformed, severity = [*line.split("\t"), "", ""][:3]
        found.update(int(each, 16) for each in commands.split(",") if each)
        found["malformed"] += bool(malformed) or any(
            int(each) >= 0x800000 for each in severity.split(",") if each
        )
    return found

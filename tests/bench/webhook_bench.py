"""Receipts by webhook, one in a post and 500, beside an empty endpoint and a bare application."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

from app.core.states import DeliveryState
from app.database.connection import Database
from tests.app.world import FIRST_PHONE, World, accepted, build
from tests.bench.machinery import analyze, cpu_of, fresh_url
from tests.bench.webhook_client import Round
from tests.bench.webhook_server import LINK, SECRET

CLIENTS = 50
PER_ARRAY = 500
# Bare, empty and single posts take turns, so that a neighbour on the machine weighs on both.
_TURNS = 5
_FIRST_SEQ = 2


@dataclass(slots=True)
class Sum:
    """Several rounds of one kind: receipts (or empty posts), milliseconds for each post, answers of 503."""

    receipts: int = 0
    seconds: float = 0.0
    busy: int = 0
    client_cpu_s: float = 0.0
    server_cpu_s: float = 0.0
    ms: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Receipts, or empty posts, in a second."""
        return self.receipts / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU of the server's process for one, in milliseconds."""
        return self.server_cpu_s / self.receipts * 1000

    def figures(self) -> dict[str, float]:
        """All but the rate, by name."""
        ms, thousands = sorted(self.ms), self.receipts / 1000
        return {
            "p50_ms": ms[len(ms) // 2],
            "p99_ms": ms[len(ms) * 99 // 100],
            "asked_to_repeat": float(self.busy),
            "server_cpu_s_per_1000": self.server_cpu_s / thousands,
            "client_cpu_s_per_1000": self.client_cpu_s / thousands,
        }


def webhooks(engine: str, count: int) -> dict[str, Sum]:
    """Rates and times of `count` empty posts, as many single receipts, and as many in arrays."""
    with fresh_url(engine) as url:
        db = Database(url)
        world = _sent(db, 2 * count)
        db.close()
        with _server(url) as (process, ports):
            found = _measure(process, ports, count)
        db = Database(url)
        try:
            world.db = db
            _check(world, 2 * count)
        finally:
            db.close()
    return found


def _sent(db: Database, count: int) -> World:
    """A run whose deliveries have all been taken by the carrier, under the references m2, m3 ..."""
    world = build(db, count, chunk=1000)
    world.fan_out()
    while lease := world.claim():
        db.write(world.ledger.record, world.link, lease, accepted(list(lease.items)), None, 30.0)
        db.write(world.ledger.release, lease, 0.0)
    analyze(db)
    return world


def _check(world: World, count: int) -> None:
    """Every receipt has moved its delivery, once, and the tallies say the same."""
    world.check()
    with world.db.engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT count(*) FROM receipts WHERE changed").scalar_one()
        left = connection.exec_driver_sql("SELECT count(*) FROM quarantine").scalar_one()
    if world.states() != {int(DeliveryState.DELIVERED): count} or kept != count or left:
        raise SystemExit(f"Not applied exactly once: {world.states()}, {kept} receipts, {left} left.")


@contextlib.contextmanager
def _server(url: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Loa and the bare application in one process, each at a port of its own."""
    command = [sys.executable, "-m", "tests.bench.webhook_server", url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        ports = process.stdout.readline() if process.stdout else ""
        yield process, [int(port) for port in ports.split()]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _measure(server: subprocess.Popen[str], ports: list[int], count: int) -> dict[str, Sum]:
    found = {kind: Sum() for kind in ("bare", "empty", "single", "array")}
    port, bare = ports
    path, size = f"viettel/{LINK}", max(1, count // _TURNS)
    base = Round(port, "", SECRET, CLIENTS, _FIRST_SEQ, size, 1, FIRST_PHONE - _FIRST_SEQ)
    for start in range(_FIRST_SEQ, _FIRST_SEQ + count, size):
        some = replace(base, first=start, count=min(size, _FIRST_SEQ + count - start))
        _round(server, replace(some, path=f"/webhooks/{path}", port=bare), found["bare"])
        _round(server, replace(some, path=f"/webhooks/{path}/empty/post"), found["empty"])
        _round(server, replace(some, path=f"/webhooks/{path}"), found["single"])
    arrays = replace(
        base, path=f"/webhooks/{path}", first=_FIRST_SEQ + count, count=count, per_post=PER_ARRAY
    )
    _round(server, arrays, found["array"])
    return found


def _round(server: subprocess.Popen[str], work: Round, total: Sum) -> None:
    """One run of the clients, in a process of their own."""
    before = cpu_of(server.pid)
    command = [sys.executable, "-m", "tests.bench.webhook_client", json.dumps(asdict(work))]
    got = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    busy = got["statuses"].pop("503", 0)
    if set(got["statuses"]) != {"200"}:
        raise SystemExit(f"Not all were taken: {got['statuses']}")
    total.busy += busy
    total.receipts += work.count
    total.seconds += got["seconds"]
    total.client_cpu_s += got["cpu_s"]
    total.server_cpu_s += cpu_of(server.pid) - before
    total.ms += got["ms"]

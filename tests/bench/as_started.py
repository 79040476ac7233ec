"""One run of the path by the programs of the working tree it is started in, also of those of an older commit.

`python .../as_started.py ENGINE COUNT CENTRE`, in the folder of that tree and by its Python: `loa up` on
SQLite, `loa worker` on PostgreSQL, with the settings that Loa has by itself. What took how long is counted
at the message centre, which is none of ours (centre.c). Prints JSON. So that it fits every commit since
88bd714, it takes what it needs from that tree's path_bench.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_START_S, _RESTS = 20.0, 0.05  # CPU seconds in a second


def main(engine: str, count: int, centre: str) -> dict[str, float]:
    """Messages/s from the first submit to the last acknowledged receipt, and CPU seconds per 1,000."""
    sys.path.insert(0, str(Path.cwd()))
    os.environ["LOA_TEST_EXECUTE"] = "1"  # a program of its own, not a fork of the tests'
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    from tests.bench import path_bench  # that of the working tree

    bench: Any = path_bench
    with (
        bench.fresh_home(engine) as home,
        subprocess.Popen(
            [centre, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as smsc,
    ):
        port = int(smsc.stdout.readline())
        db = bench.Database(home.url)
        world = bench.queued(db, count)
        planned = bench.update(bench.runs).values(state=bench.RunState.PLANNED.value)
        db.write(lambda connection: connection.execute(planned))
        db.close()
        link = bench.smpp_link("viettel", port, segments_per_second=bench._NO_LIMIT, window=bench.WINDOW)
        home.configure({"viettel-1": link})
        home.sender()
        bench._bound(home)
        _at_rest(bench, home)
        before = _spent(bench, home)
        bench._start(home.url)
        seen = json.loads(smsc.stdout.readline())
        after = _spent(bench, home)
        if asyncio.run(home.programs[0].stop()):
            raise SystemExit(f"It ended badly: {home.programs[0].words()}")
        bench._check(world, home.url)
        smsc.stdin.close()
        smsc.wait(30)
    if (seen["submits"], seen["acknowledged"], seen["copies"]) != (count, count, 0):
        raise SystemExit(f"The centre saw {seen}, and {count} were to be sent once each.")
    own, server = ((b - a) * 1000 / count for a, b in zip(before, after, strict=True))
    return {"rate": count / seen["seconds"], "cpu": own, "server_cpu": server}


def _at_rest(bench: Any, home: Any) -> None:
    """Wait until it has started: what it still imports and asks is no part of a message's cost."""
    ends, before = time.monotonic() + _START_S, -1.0
    while (now := _spent(bench, home)[0]) - before > _RESTS and time.monotonic() < ends:
        before = now
        time.sleep(1.0)


def _spent(bench: Any, home: Any) -> tuple[float, float]:
    """CPU seconds of the program, and of the database server's sessions with it."""
    own = sum(bench.cpu_of(program.process.pid) for program in home.programs)
    return own, 0.0 if home.sqlite else sum(map(bench.cpu_of, _sessions(bench, home.url)))


def _sessions(bench: Any, url: str) -> list[int]:
    engine = bench.create_engine(url, poolclass=bench.NullPool)
    own = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with engine.connect() as connection:
        return [int(row[0]) for row in connection.exec_driver_sql(own)]


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), sys.argv[3])))

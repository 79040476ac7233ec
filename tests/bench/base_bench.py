"""The path beside that of an older commit, in turns in one run, as a user starts it; beside Kannel too."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, Limit
from tests.bench.kannel_bench import driven

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
NO_COMPILER = "No C compiler is here, and the message centre of this part is a C program (Debian: gcc)."
_RUN = Path(__file__).with_name("as_started.py")
_RATE, _CPU, _PEER_RATE = 1.05, 0.95, 2.5


def against(commit: str, engines: Sequence[str], count: int, rounds: int, peer: bool) -> list[Figure]:
    """Rates and CPU of this tree against the commit's, and against Kannel's; medians of all rounds."""
    base, centre = tree_of(commit), built()
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(rounds):
        for engine in engines:
            for name, tree in ((f"base_{engine}", base), (engine, ROOT)):
                found.setdefault(name, []).append(_loa(tree, engine, count, centre))
        if peer:
            found.setdefault("kannel", []).append(_kannel(count, centre))
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in found.items()
    }
    return [figure for engine in engines for figure in _figures(engine, medians)]


def _figures(engine: str, medians: dict[str, dict[str, float]]) -> Iterator[Figure]:
    own, base = medians[engine], medians[f"base_{engine}"]
    rate = Limit(f"{engine}_base_messages_per_second", base["rate"], _RATE)
    yield Figure(f"{engine}_as_started_messages_per_second", own["rate"], rate)
    for key, name in (("cpu", "loa"), ("all_cpu", "all")):
        most = Limit(f"{engine}_base_{name}_cpu_s_per_1000", base[key], _CPU, ceiling=True)
        yield Figure(f"{engine}_as_started_{name}_cpu_s_per_1000", own[key], most)
    if peer := medians.get("kannel"):
        faster = Limit("kannel_messages_per_second", peer["rate"], _PEER_RATE)
        yield Figure(f"{engine}_against_kannel_messages_per_second", own["rate"], faster)
        cheaper = Limit("kannel_cpu_s_per_1000", peer["cpu"], 1, ceiling=True)
        yield Figure(f"{engine}_against_kannel_cpu_s_per_1000", own["all_cpu"], cheaper)


def tree_of(commit: str) -> Path:
    """Return a folder with that commit and the environment of its own lock, which is kept in build."""
    given = ["git", "rev-parse", "--verify", f"{commit}^{{commit}}"]
    whole = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    folder = BUILD / f"base-{whole[:12]}"
    if not (folder / ".venv/.ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        packed = subprocess.run(["git", "archive", whole], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
        subprocess.run(["make", "--silent", "setup"], cwd=folder, env=_environment(), check=True)
    return folder


def built() -> Path:
    """Compile the message centre."""
    if shutil.which("cc") is None:
        raise SystemExit(NO_COMPILER)
    BUILD.mkdir(exist_ok=True)
    made = BUILD / "centre"
    subprocess.run(["cc", "-O2", "-o", str(made), str(_RUN.with_name("centre.c"))], check=True)
    return made


@contextlib.contextmanager
def centre_of(program: Path, count: int) -> Iterator[subprocess.Popen[str]]:
    """Start the message centre, which says where it listens and, once all is acknowledged, what it saw."""
    pipe = subprocess.PIPE
    with subprocess.Popen([str(program), str(count)], stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _environment() -> dict[str, str]:
    """Without what `make bench` has told this process of its own environment."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def _loa(tree: Path, engine: str, count: int, centre: Path) -> dict[str, float]:
    command = [str(tree / ".venv/bin/python"), str(_RUN), engine, str(count), str(centre)]
    ran = subprocess.run(command, cwd=tree, env=_environment(), stdout=subprocess.PIPE, text=True, check=True)
    got: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return got | {"all_cpu": got["cpu"] + got["server_cpu"]}


def _kannel(count: int, program: Path) -> dict[str, float]:
    with centre_of(program, count) as centre:
        got, cpu = driven(count, int(_line(centre)))
        seen: dict[str, Any] = json.loads(_line(centre))
    if got["reported"] != count or (seen["submits"], seen["acknowledged"]) != (count, count):
        raise SystemExit(f"Kannel did not complete: {got}, the centre saw {seen}.")
    return {"rate": count / seen["seconds"], "cpu": 1000 * cpu / count}


def _line(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline() if process.stdout else ""

"""`make prove`: what takes hours, by hand, before an issue that touches the core is called resolved.

Each part is a command; its exit status, its time and the figures that it leaves in a JSON file go into
build/prove.json, beside those of parts that were run before. Exit status 1 where one has failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
_ENGINES = ("sqlite", "postgresql")
_VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
_PYTEST = (sys.executable, "-m", "pytest")
# Every test on each engine, with as many examples and kills as an hour has room for; processes are executed,
# not forked, so that their lines count.
_WHOLE = {
    "LOA_TEST_EACH_ENGINE": "1",
    "LOA_TEST_EXECUTE": "1",
    "LOA_TEST_EXAMPLES": "200",
    "LOA_TEST_CEILING": "10000",
    "LOA_TEST_INBOUND": "100000",
}
_HISTORIES = 25_000
_FOREIGN = (
    "prove/test_foreign_ends.py",
    "prove/test_generated_client.py",
    "prove/test_office_files.py",
    "prove/test_codes_read.py",
    "long/carriers/simulators/test_smsc_smpplib.py",
    "app/notifications/test_webhook.py",
)


@dataclass(frozen=True, slots=True)
class Part:
    """One command; `figures`: the JSON file that it leaves; `needs`: programs it can't do without."""

    what: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    figures: Path | None = None
    needs: tuple[str, ...] = ()


def parts() -> dict[str, Part]:
    """The parts by name, in the order in which they are run."""
    whole = (*_PYTEST, "-n", "3", "--dist", "loadfile", "--timeout", "240")
    whole += ("--cov", "--cov-config", "tests/prove/coverage.toml", "--cov-fail-under=95")
    found = {"suite": Part("every test on each engine, coverage of processes too", whole, _WHOLE)}
    found |= {f"python{version}": _with_python(version) for version in _others()}
    bare = ("bash", "tests/prove/bare.sh")
    found["bare"] = Part("both commands in a bare Debian", bare, needs=("debootstrap", "unshare"))
    found["docs"] = Part("the documents as a site, without a dead link", ("make", "docs"))
    found |= {f"drill-{engine}": _drill(engine) for engine in _ENGINES}
    found |= {f"soak-{engine}": _soak(engine) for engine in _ENGINES}
    found["attack"] = _attack()
    found["model"] = _model()
    found["planted"] = _planted()
    found["mutants"] = Part("mutants of states, hours, text and SMPP", ("bash", "tests/prove/mutants.sh"))
    found["simulate"] = _simulate()
    # 200,000 in pieces, so that what was interrupted goes on.
    found |= {f"life-{nth}": _life(1 + nth * _HISTORIES) for nth in range(8)}
    found["life-planted"] = _life_planted()
    power = (*_PYTEST, "-q", str(ROOT / "tests" / "prove" / "test_power.py"))
    found["power"] = Part("power failures within commits", power, needs=("gcc",))
    tests = (str(ROOT / "tests" / each) for each in _FOREIGN)
    found["foreign"] = Part(
        "SMPP, webhooks, the API and office files against programs of others", (*_PYTEST, "-q", *tests)
    )
    container = str(ROOT / "tests" / "prove" / "test_container.py")
    found["image"] = Part(
        "the image, built and run, and compose.yaml's services", (*_PYTEST, "-q", container)
    )
    bench = (
        sys.executable,
        "-m",
        "tests.bench",
        "--size",
        "full",
        "--build",
        str(BUILD / "prove-bench.json"),
    )
    found["bench"] = Part("speed, with millions", bench, figures=BUILD / "prove-bench.json")
    return found


def _with_python(version: str) -> Part:
    make = ("make", "test", f"PYTHON=python{version}", f"VENV=build/python{version}")
    return Part(f"`make test` with Python {version}", make, needs=(f"python{version}",))


def _drill(engine: str) -> Part:
    out = BUILD / f"prove-drill-{engine}.json"
    plan = ("--messages", "1030000", "--faults", "300", "--plan", "long", "--engine", engine)
    what = f"a million messages under 300 faults on {engine}"
    return Part(what, (sys.executable, "-m", "tests.drill", *plan, "--out", str(out)), figures=out)


def _soak(engine: str) -> Part:
    out = BUILD / f"prove-soak-{engine}.json"
    steady = ("--minutes", "60", "--rate", "1000", "--engine", engine, "--out", str(out))
    command = (sys.executable, "-m", "tests.drill.soak_command", *steady)
    return Part(f"an hour of steady work on {engine}", command, figures=out)


def _attack() -> Part:
    out = BUILD / "prove-attack.json"
    command = (sys.executable, "-m", "tests.attack", "--out", str(out))
    return Part("Loa attacked from outside, on each engine", command, figures=out)


def _model() -> Part:
    out = BUILD / "prove-model.json"
    command = (sys.executable, "-m", "tests.model", "--out", str(out))
    return Part("the model of sending, and its twins", command, figures=out, needs=("spin", "gcc"))


def _planted() -> Part:
    out = BUILD / "prove-planted.json"
    command = (sys.executable, "-m", "tests.planted", "--out", str(out))
    return Part("planted bugs, each found by its test", command, figures=out)


def _life(first: int) -> Part:
    out = BUILD / f"prove-life-{first}.json"
    command = (sys.executable, "-m", "tests.ledger_life", "--first", str(first), "--seeds", str(_HISTORIES))
    return Part(f"{_HISTORIES:,} random histories of a ledger", (*command, "--out", str(out)), figures=out)


def _life_planted() -> Part:
    out = BUILD / "prove-life-planted.json"
    command = (sys.executable, "-m", "tests.ledger_life.planted", "--out", str(out))
    return Part("mended rules taken out, which random histories must find", command, figures=out)


def _simulate() -> Part:
    out = BUILD / "prove-simulate.json"
    command = (sys.executable, "-m", "tests.simulate", "--seeds", "10000", "--out", str(out))
    return Part("10,000 simulated days under faults", command, figures=out)


def _others() -> list[str]:
    """The supported Pythons on this machine, but for the one at work."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [version for version in _VERSIONS if version != own and _works(f"python{version}")]


def _works(python: str) -> bool:
    """Whether this Python is there and can make an environment."""
    look = (python, "-c", "import ensurepip, venv")
    return shutil.which(python) is not None and subprocess.run(look, capture_output=True).returncode == 0


def run(part: Part) -> dict[str, Any]:
    """Run one part; what is kept of it."""
    missing = [program for program in part.needs if shutil.which(program) is None]
    if missing:
        return {"what": part.what, "skipped": f"{', '.join(missing)} is not installed"}
    began = time.monotonic()
    done = subprocess.run(part.command, cwd=ROOT, env=os.environ | part.environment)
    kept: dict[str, Any] = {"what": part.what, "command": " ".join(part.command), "exit": done.returncode}
    kept["seconds"] = round(time.monotonic() - began)
    if part.figures is not None and part.figures.exists():
        kept["figures"] = json.loads(part.figures.read_text("utf-8"))
    return kept


def main() -> int:
    """Run the parts that were asked for, or all; 1 where one of them has failed."""
    all_parts = parts()
    asked = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    asked.add_argument("part", nargs="*", help=f"of these: {', '.join(all_parts)}; without any: all")
    names = asked.parse_args().part or list(all_parts)
    if unknown := [name for name in names if name not in all_parts]:
        asked.error(f"there is no part {unknown[0]}; there are: {', '.join(all_parts)}")
    file = BUILD / "prove.json"
    BUILD.mkdir(exist_ok=True)
    kept = json.loads(file.read_text("utf-8")) if file.exists() else {}
    for name in names:
        kept[name] = run(all_parts[name])
        file.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    for name in names:
        outcome = kept[name].get("skipped") or ("passed" if kept[name]["exit"] == 0 else "FAILED")
        print(f"{name:18} {kept[name].get('seconds', 0):>6} s  {outcome}  ({kept[name]['what']})")
    return int(any(kept[name].get("exit") for name in names))


if __name__ == "__main__":
    raise SystemExit(main())

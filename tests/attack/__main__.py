"""`make attack`: Loa as a process with its defaults, attacked from outside; 1 where an attacker succeeds.

A table of what was tried and what happened, and the same in build/attack.json. The full form takes a quarter
of an hour and half a gigabyte of disk for a moment; `--short` takes half a minute, most of it waiting.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from tests.attack import files, planted
from tests.attack.host import engines
from tests.attack.outcome import Outcome, table
from tests.faults.processes import LAUNCHER

OUT = Path(__file__).parents[2] / "build" / "attack.json"


Attack = Callable[[str, bool], Coroutine[Any, Any, list[Outcome]]]
PARTS: dict[str, Attack] = {"files": files.attack, "planted": planted.attack}


def processor_s() -> float:
    """Seconds of processor time of this process and of all that it has started and that has ended."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in spent)


def attacks(names: list[str], short: bool) -> Iterator[Outcome]:
    """Each part on each engine; short: on SQLite."""
    for name in names:
        for engine in ["sqlite"] if short else engines():
            began, spent = time.monotonic(), processor_s()
            try:
                yield from asyncio.run(PARTS[name](engine, short))
            except Exception as error:
                # What has been found by then is kept; an attack that could not be made shows nothing.
                traceback.print_exc()
                yield Outcome(name, f"the attack on {engine}", 0, f"could not be made: {error!r:.200}", False)
            took = f"{time.monotonic() - began:.0f} s, {processor_s() - spent:.1f} s of processor time"
            print(f"{name}, {engine}: {took}", file=sys.stderr, flush=True)


def main() -> int:
    """Attack by the parts that are named, or all; 1 where an attacker has had success."""
    asked = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    asked.add_argument("part", nargs="*", help=f"of these: {', '.join(PARTS)}; without any: all")
    asked.add_argument("--short", action="store_true", help="a part of each, on SQLite alone")
    asked.add_argument("--out", type=Path, default=OUT, help="where the table is left as JSON")
    said = asked.parse_args()
    if unknown := set(said.part) - PARTS.keys():
        asked.error(f"there is no part {min(unknown)}; there are: {', '.join(PARTS)}")
    if not said.short:
        os.environ["LOA_TEST_EXECUTE"] = "1"  # each command is a process of its own from the first line on
    try:
        found = list(attacks(said.part or list(PARTS), said.short))
    finally:
        LAUNCHER.close()
    print(table(found))
    said.out.parent.mkdir(exist_ok=True)
    kept = {"attacks": [each._asdict() for each in found], "broken": sum(not each.held for each in found)}
    said.out.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(bool(kept["broken"]))


if __name__ == "__main__":
    raise SystemExit(main())

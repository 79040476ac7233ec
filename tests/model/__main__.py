"""Check docs/model/sending.pml exhaustively, and see each of its twins fail: `python -m tests.model`.

Needs Spin and a C compiler (Debian: spin, gcc); 0.5 GB of memory. Exit status 1 where the model fails or a
twin does not.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MODEL = Path(__file__).parents[2] / "docs/model/sending.pml"
# What each twin leaves out, as the macros in the model have it.
TWINS = {
    "NO_RESERVE": "messages go out without the commit that reserves them",
    "NO_FENCE": "a commit does not look at whose lease it is",
    "RESEND_RESERVED": "what a dead holder had reserved is queued again",
    "TAKE_BACK_LATE": "a late 'not sent' opens a finished run",
    "UNKNOWN_PUT_OFF": "a message without an answer is put off",
    "PASS_STAYS": "a chunk with messages that were put off is done",
    "NOT_AWAITED": "a claim does not wait for what another round has on its way",
    "HAND_UNSEEN": "a campaign's claim does not look at what a link has in hand of its round",
    "ROUND_UNSEEN": "a campaign's claim does not look at its rounds",
}
# -w: 2^24 slots of the hash table; the search of the sound model has 1.9 million states.
_SEARCH = ("-m200000", "-w24")
_COMPILE = ("gcc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=2048", "-o", "pan", "pan.c")
_ERRORS, _STATES = re.compile(r"errors: (\d+)"), re.compile(r"^\s*(\d+) states, stored", re.MULTILINE)
_WHAT = re.compile(r"^pan:\d+: (.*)$", re.MULTILINE)


def search(twin: str | None, folder: Path) -> dict[str, Any]:
    """Search all states of the model, or of a twin until it fails."""
    began = time.monotonic()
    made = ("spin", *([f"-D{twin}"] if twin else ()), "-a", str(MODEL))
    for command in (made, _COMPILE):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    said = subprocess.run(("./pan", *_SEARCH), cwd=folder, capture_output=True, text=True).stdout
    errors, states, what = _ERRORS.search(said), _STATES.search(said), _WHAT.search(said)
    if errors is None or states is None or "max search depth too small" in said:
        raise SystemExit(f"Spin did not end its search:\n{said[-1000:]}")
    return {
        "errors": int(errors[1]),
        "states": int(states[1]),
        "what": what[1] if what else "",
        "seconds": round(time.monotonic() - began),
    }


def main(out: Path) -> int:
    """Search the model and its twins; write what was found."""
    with tempfile.TemporaryDirectory(prefix="loa-model-") as place:
        found = {name or "model": search(name, Path(place)) for name in (None, *TWINS)}
    right = {name: each["errors"] == (name != "model") for name, each in found.items()}
    for name, each in found.items():
        outcome = "as it should" if right[name] else "WRONG"
        print(
            f"{name:16} {each['errors']} errors {each['states']:>10,} states", each["seconds"], "s", outcome
        )
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return int(not all(right.values()))


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    asked.add_argument("--out", type=Path, default=Path("build/prove-model.json"))
    sys.exit(main(asked.parse_args().out))

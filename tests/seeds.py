"""Which seeds a run of random histories tries, and the scripts that once broke a promise.

Seeds that never change prove the past: CI takes its first seed from the commit, the nightly from the day. A
script that fails is written beside its kind's others, in `broken/`, and is replayed for ever once committed.
"""

from __future__ import annotations

import json
import subprocess
import zlib
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_APART = 10_000  # seeds of two commits, or of two days, overlap in none
_RANGE = 100_000


def first_seed(text: str) -> int:
    """Read `--first`: a number, `commit` or `today`. The same commit, or day, has the same first seed."""
    match text:
        case "commit":
            return 1 + _APART * (zlib.crc32(_commit().encode()) % _RANGE)
        case "today":
            return 1 + _APART * (_RANGE + datetime.now(UTC).date().toordinal())
        case _:
            return int(text)


def _commit() -> str:
    """Return the commit's hash; that of an archive's lock where there is no repository."""
    command = ["git", "rev-parse", "HEAD"]
    here = Path(__file__).parents[1]
    try:
        answer = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return (here / "requirements.lock").read_text("utf-8")
    return answer.stdout.strip()


def keep(folder: Path, script: Any, broken: str) -> Path:
    """Write a script (a dataclass of numbers, words and steps) that broke a promise; return its file."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{script.seed}.json"
    content = {"broken": broken, "script": asdict(script)}
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return file


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def read(file: Path) -> dict[str, Any]:
    """Return the fields of the script that `keep` wrote."""
    fields: dict[str, Any] = json.loads(file.read_text("utf-8"))["script"]
    return fields

"""Read bugs.toml, the list of bugs to be planted."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bug:
    """`old` stands once in `file` and becomes `new`; at least one of `tests` must then fail.

    harm: what a user would have met.
    """

    name: str
    harm: str
    file: str
    old: str
    new: str
    tests: str


def planted() -> tuple[Bug, ...]:
    """All bugs, in the order of the file."""
    listed = tomllib.loads(Path(__file__).with_name("bugs.toml").read_text("utf-8"))
    return tuple(Bug(name, **one) for name, one in listed.items())

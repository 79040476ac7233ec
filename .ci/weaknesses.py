"""Known weaknesses of what is locked, as the package index's page of each project tells them.

For where pip-audit gets no answer: these pages speak of the newest release alone, so a component that is
behind it can't be judged, and is named. Exit status 1 for a weakness, and for a component of an installation
that could not be judged; what only tests and tools have is named and no more.
"""

from __future__ import annotations

import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from pip._internal.models.index import PyPI
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)
_AT_ONCE = 4


class Answer(NamedTuple):
    """What is said of one component: a line for each fault, none where all is well."""

    name: str
    version: str
    faults: list[str]
    judged: bool = True


def installed_with(root: str) -> set[str]:
    """The components of an installation of `root`: what it requires, and what that requires."""
    found: set[tuple[str, str]] = (
        set()
    )  # with the extra that is asked for; packages may ask for one another's
    waiting = [Requirement(root)]
    while waiting:
        asked = waiting.pop()
        name = canonicalize_name(asked.name)
        new = {(name, extra) for extra in asked.extras or {""}} - found
        if not new:
            continue
        found |= new
        try:
            lines = requires(name) or []
        except PackageNotFoundError:  # another platform's
            continue
        wanted = (Requirement(line) for line in lines)
        waiting += [
            each
            for each in wanted
            if not each.marker or any(each.marker.evaluate({"extra": extra}) for _, extra in new)
        ]
    return {name for name, _ in found}


def index() -> str:
    """The index of PIP_INDEX_URL, or pip's own."""
    simple = os.environ.get("PIP_INDEX_URL") or PyPI.simple_url
    return simple.rstrip("/").removesuffix("/simple") + "/pypi"


def look(base: str, name: str, version: str) -> Answer:
    """Ask for one component."""
    try:
        with urlopen(f"{base}/{name}/json", timeout=60) as reply:  # noqa: S310 - the index is pip's
            said = json.load(reply)
    except OSError as error:
        return Answer(name, version, [f"no answer: {error}"], judged=False)
    newest = said["info"]["version"]
    if newest != version:
        return Answer(name, version, [f"behind {newest}, so it can't be judged"], judged=False)
    return Answer(name, version, [told(each) for each in said["vulnerabilities"] if not each["withdrawn"]])


def told(weakness: dict[str, object]) -> str:
    """One weakness in a line."""
    words = str(weakness.get("summary") or weakness.get("details")).split("\n")[0][:120]
    return f"{weakness['id']}, mended in {weakness['fixed_in'] or 'no release'}: {words}"


def main(lock: Path, root: str) -> int:
    """Ask for each; 1 for a weakness, for one of `root`'s own that can't be judged, and for an empty lock."""
    pins, base, own = _PIN.findall(lock.read_text("utf-8")), index(), installed_with(root)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda pin: look(base, *pin), pins))
    bad = [each for each in found if each.faults]
    for each in bad:
        whose = "" if canonicalize_name(each.name) in own else " (not of an installation)"
        print(*(f"{each.name} {each.version}{whose}: {fault}" for fault in each.faults), sep="\n")
    ours = [each for each in found if canonicalize_name(each.name) in own]
    for name, of in (("components", found), (f"of them in an installation of {root}", ours)):
        sound = sum(not each.faults for each in of)
        print(f"{len(of)} {name}: {sound} their newest release without a known weakness.")
    weak = [each for each in bad if each.judged or each in ours]
    return int(bool(weak) or not ours)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))

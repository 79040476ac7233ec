"""Write a carrier over HTTP from the templates: it passes the contract's tests, and is yours to change."""

from __future__ import annotations

import argparse
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template

TEMPLATES = Path(__file__).parent / "templates"
REGISTRY, INDEX = Path("carriers/registry.py"), Path("docs/README.md")
_OWN = re.compile(r"^OWN = \(\n((?:    \"\w+\",\n)*)\)$", re.MULTILINE)
_LINKS = re.compile(r"^- Links: .*$", re.MULTILINE)


def main() -> int:
    """Write the files below the current folder; 2 if the name is no good or taken (SystemExit)."""
    parser = argparse.ArgumentParser(prog="make new-carrier NAME=...", description=__doc__)
    parser.add_argument("name", help="the kind in the settings and the folder: small letters and digits")
    name = parser.parse_args().name
    if not re.fullmatch(r"[a-z][a-z0-9]{1,29}", name) or keyword.iskeyword(name):
        parser.error(f"{name!r} must be a word of 2 to 30 small letters and digits, such as vinafone")
    files = dict(rendered(name))
    taken = [path for path in (Path("carriers") / name, *files) if path.exists()]
    if taken:
        parser.error(f"{taken[0]} is already there: choose another name")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path, changed in ((REGISTRY, registered), (INDEX, indexed)):
        path.write_text(changed(path.read_text("utf-8"), name), encoding="utf-8")
    # The order of imports depends on the name.
    python = [str(path) for path in files if path.suffix == ".py"]
    for command in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *python], check=True)
    print("\n".join(map(str, [*files, REGISTRY, INDEX])))
    print(f"\nNext: pytest tests/carriers/{name}, and the seven steps of carriers/README.md.")
    return 0


def rendered(name: str) -> Iterator[tuple[Path, str]]:
    """Each file to write, relative to the root, with its text."""
    for template in sorted(TEMPLATES.rglob("*.txt")):
        path = template.relative_to(TEMPLATES).as_posix().removesuffix(".txt").replace("NAME", name)
        yield Path(path), Template(template.read_text("utf-8")).substitute(name=name, Name=name.capitalize())


def registered(registry: str, name: str) -> str:
    """The registry with the carrier's line in its place."""
    own = _OWN.search(registry)
    if own is None:
        raise SystemExit(f"{REGISTRY} has no list OWN of one adapter a line.")
    lines = sorted([*own[1].splitlines(keepends=True), f'    "{name}",\n'])
    return registry[: own.start(1)] + "".join(lines) + registry[own.end(1) :]


def indexed(index: str, name: str) -> str:
    """The list of documents with the carrier's page behind those of the others."""
    links = _LINKS.search(index)
    if links is None:
        raise SystemExit(f"{INDEX} has no line of links.")
    return f"{index[: links.end()]}, [{name.capitalize()}](carriers/{name}.md){index[links.end() :]}"


if __name__ == "__main__":
    raise SystemExit(main())

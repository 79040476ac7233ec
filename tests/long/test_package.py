"""The wheel has all that Loa needs: installed alone, it makes a ledger and runs the demo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("app", "carriers", "loa_client", "messages", "migrations", "pyproject.toml", "README.md", "LICENSE")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*command: str, cwd: Path) -> str:
    """What a command says, in an environment that has nothing of ours."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("LOA_", "PYTHON"))}
    done = subprocess.run(command, cwd=cwd, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy, since a build leaves files beside the sources."""
    copy = tmp_path_factory.mktemp("source")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, copy)
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", "out", ".", cwd=copy)
    (built,) = (copy / "out").iterdir()
    return built


@pytest.fixture(scope="module")
def loa(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The command `loa` of an environment with the wheel alone; libraries come from this environment."""
    home = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", ".", cwd=home)
    run(*PIP, "--python", "bin/python", "install", "--no-deps", "--no-index", str(wheel), cwd=home)
    place = run("bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home)
    (Path(place.strip()) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    for package in ("app", "carriers", "loa_client", "messages", "migrations"):
        found = run("bin/python", "-c", f"import {package}; print(list({package}.__path__))", cwd=home)
        assert str(home) in found
    return str(home / "bin/loa")


@pytest.mark.prove
def test_every_file_of_the_program_is_in_the_wheel(wheel: Path) -> None:
    with ZipFile(wheel) as packed:
        there = set(packed.namelist())
    files = {
        path.relative_to(ROOT).as_posix()
        for part in PARTS[:5]
        for path in (ROOT / part).rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.name not in ("README.md", "pyproject.toml")
    }
    assert files - there == set()


@pytest.mark.prove
def test_it_makes_a_ledger_in_an_empty_folder(loa: str, tmp_path: Path) -> None:
    assert run(loa, "--version", cwd=tmp_path).startswith("Loa ")
    assert "The schema is at revision" in run(loa, "migrate", cwd=tmp_path)
    assert "gia-danh-cong-an" in run(loa, "text", "list", cwd=tmp_path)


@pytest.mark.prove
def test_it_sends_the_demo(loa: str, tmp_path: Path) -> None:
    said = run(loa, "demo", "--subscribers", "60", "--json", cwd=tmp_path)
    assert '"verified": true' in said.splitlines()[-1]
    assert (tmp_path / "build/demo").is_dir()

"""What `make audit` says where pip-audit gets no answer: by pages of projects, on an index of our own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.sampled import each_third

HERE = Path(__file__).parent.parent.parent
SCRIPT = HERE / ".ci" / "weaknesses.py"
WEAK = {"id": "PYSEC-1", "fixed_in": ["3"], "summary": "It opens doors.", "details": "", "withdrawn": None}
PAGES: dict[str, Any] = {
    "sound": {"info": {"version": "1.0"}, "vulnerabilities": []},
    "weak": {"info": {"version": "2.0"}, "vulnerabilities": [WEAK]},
    "h11": {"info": {"version": "99"}, "vulnerabilities": []},
    "iniconfig": {"info": {"version": "99"}, "vulnerabilities": []},
    "withdrawn": {"info": {"version": "2.0"}, "vulnerabilities": [WEAK | {"withdrawn": "2026-01-01"}]},
}


class Index(BaseHTTPRequestHandler):
    """The pages, at the addresses that an index has them at."""

    def do_GET(self) -> None:
        name = self.path.removeprefix("/pypi/").removesuffix("/json")
        self.send_response(200 if name in PAGES else 404)
        self.end_headers()
        self.wfile.write(json.dumps(PAGES.get(name)).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def index() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/simple/"
    server.shutdown()
    thread.join()
    server.server_close()


def component(folder: Path, name: str, *requires: str) -> None:
    """As installed, with an extra x."""
    told = folder / f"{name}-1.0.dist-info"
    told.mkdir()
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nProvides-Extra: x"]
    (told / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {each}" for each in requires)]))


def test_components_whose_extras_ask_for_one_another_are_each_found_once(index: str, tmp_path: Path) -> None:
    component(tmp_path, "one", "two[x]", 'weak ; extra == "x"')
    component(tmp_path, "two", 'one[x] ; extra == "x"', 'sound ; extra == "y"')
    (tmp_path / "lock").write_text("sound==1.0\nweak==2.0\n")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "lock"), "one"],
        env={**os.environ, "PIP_INDEX_URL": index, "no_proxy": "127.0.0.1", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "weak 2.0: PYSEC-1" in done.stdout
    assert "1 of them in an installation of one: 0 their newest" in done.stdout


@pytest.mark.parametrize(
    ("lock", "status", "said"),
    each_third(
        [
            (
                "sound==1.0 \\\n    --hash=x\nh11[extra]==99 ; python_version < '3.13'\n",
                0,
                "2 components: 2 their",
            ),
            (
                "h11==99\nwithdrawn==2.0\n",
                0,
                "1 of them in an installation of uvicorn: 1 their newest release",
            ),
            (
                "h11==99\nweak==2.0\n",
                1,
                "weak 2.0 (not of an installation): PYSEC-1, mended in ['3']: It opens doors.",
            ),
            (
                "h11==99\niniconfig==1\n",
                0,
                "iniconfig 1 (not of an installation): behind 99, so it can't be judged",
            ),
            ("h11==1\n", 1, "h11 1: behind 99, so it can't be judged"),
            ("uvicorn==1.0\n", 1, "uvicorn 1.0: no answer: HTTP Error 404"),
            ("sound==1.0\n", 1, "0 of them in an installation"),
            ("# nothing\n", 1, "0 components"),
        ]
    ),
)
def test_every_component_is_judged_or_named(
    index: str, tmp_path: Path, lock: str, status: int, said: str
) -> None:
    (tmp_path / "lock").write_text(lock)
    environment = {**os.environ, "PIP_INDEX_URL": index, "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "lock"), "uvicorn"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, "")
    assert said in done.stdout


@pytest.mark.parametrize(
    ("does", "wrong", "said", "asked_again"),
    [
        ("exit 0", False, "", False),
        ('echo "weak 2.0 PYSEC-1" > "$file"; exit 1', True, "weak 2.0 PYSEC-1", False),
        ("echo not found >&2; exit 1", False, "their newest release", True),
    ],
)
def test_audit_asks_again_only_where_pip_audit_gave_no_answer(
    index: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    does: str,
    wrong: bool,
    said: str,
    asked_again: bool,
) -> None:
    """In its place a program that ends and writes as it does: a file only where it has found something."""
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", (HERE / "requirements.lock").read_text(), re.M):
        monkeypatch.setitem(PAGES, name, {"info": {"version": version}, "vulnerabilities": []})
    found = tmp_path / "found"
    found.write_text("from the time before")
    for name, text in (("bandit", "exit 0"), ("pip-audit", f"file={found}\n{does}")):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o700)
    (tmp_path / ".ready").touch()
    folders = {"TOOLS": tmp_path, "VENV": tmp_path, "BIN": Path(sys.executable).parent, "FOUND": found}
    done = subprocess.run(
        ["make", "--no-print-directory", "audit", *(f"{name}={value}" for name, value in folders.items())],
        cwd=HERE,
        env={**os.environ, "PIP_INDEX_URL": index, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert bool(done.returncode) == wrong, done.stderr
    assert said in done.stdout
    assert ("components: " in done.stdout) == asked_again
    assert "the time before" not in done.stdout

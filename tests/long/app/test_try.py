"""`loa try` as a newcomer starts it: the pages, four people, and nothing left running at the end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from contextlib import closing
from pathlib import Path

import httpx

from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.reports.verification.verify import examine
from tests.long.app.test_demo import Demo

_START_S = 120


def test_four_people_look_around_until_ctrl_c_and_nothing_goes_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder, mark = tmp_path / "try", f"mark-{uuid.uuid4().hex}"
    own = {name: value for name, value in os.environ.items() if not name.startswith("LOA_")}
    flags = ("--folder", str(folder), "--port", str(port), "--subscribers", "400", "--no-browser")
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "try", *flags],
        env=own | {"LOA_TEST_MARK": mark, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            assert process.stdout
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("Ctrl-C"):
                    break
            people = dict(re.findall(r"^  (\w+) +(\S+)   ", "".join(said), re.M))
            assert set(people) == {"admin", "approver", "operator", "auditor"}, said
            for name, password in people.items():
                _look_around(f"http://127.0.0.1:{port}", name, password)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(_START_S)
    assert process.returncode == 0
    assert Demo(folder, process, mark).survivors() == []
    with closing(Database(f"sqlite:///{folder / 'loa.sqlite3'}")) as db:
        assert examine(db, ledger_for(db)).differences == ()


def _look_around(address: str, name: str, password: str) -> None:
    with httpx.Client(base_url=address, follow_redirects=True, timeout=30) as person:
        origin = {"Origin": address}
        overview = person.post("/sign-in", data={"name": name, "password": password}, headers=origin)
        assert overview.status_code == 200, overview.text
        assert "Cảnh báo giả danh công an" in overview.text
        assert person.get("/campaigns").status_code == 200

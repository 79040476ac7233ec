"""What docs/deploy gives to copy: systemd and nginx take it, and the commands and settings in it exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from app.cli import app as commands
from app.core.config import Settings
from tests.certificates import self_signed

DEPLOY = Path(__file__).parents[2] / "docs/deploy"
UNIT = (DEPLOY / "loa@.service").read_text("utf-8")


def needs(tool: str) -> str:
    """The path of a program; skips where there is none."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not on this machine")
    return found


@pytest.mark.parametrize("instance", re.findall(r"loa@([a-z]+)", UNIT))
def test_systemd_takes_the_unit_of_each_way_to_run_loa(instance: str, tmp_path: Path) -> None:
    assert instance in typer.main.get_command(commands).commands
    unit = tmp_path / f"loa@{instance}.service"
    unit.write_text(UNIT.replace("/usr/local/bin/loa", sys.executable), "utf-8")
    command = [needs("systemd-analyze"), "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


def test_what_the_unit_sets_are_settings() -> None:
    named = set(re.findall(r"\bLOA_([A-Z_]+)=", UNIT))
    assert {"CONFIG", "SECRETS_DIR"} < named
    assert {name.lower() for name in named - {"CONFIG", "SECRETS_DIR"}} <= set(Settings.model_fields)


def test_nginx_takes_the_proxy(tmp_path: Path) -> None:
    nginx = needs("nginx")
    self_signed(tmp_path, stem="loa")
    site = (DEPLOY / "nginx.conf").read_text("utf-8").replace("/etc/ssl/", f"{tmp_path}/")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
    whole = f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{places}{site}}}\n"
    (tmp_path / "nginx.conf").write_text(whole, "utf-8")
    command = [nginx, "-t", "-q", "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)

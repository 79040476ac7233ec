"""What the image is built from: everything imports, and a campaign goes through."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import httpx
import pytest

from app.devtools.sample_data import write_sample
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.faults.journey import Api, reported
from tests.faults.processes import Home, Program, smpp_link

ROOT = Path(__file__).parent.parent.parent
SUBSCRIBERS = 60
# Runs what its arguments say as if nothing but the copy were installed; [3:] is what follows `python -m`.
_WITHIN = """
import runpy, sys
sys.meta_path = [each for each in sys.meta_path if "editable" not in repr(each) + type(each).__module__]
sys.path[:] = [{folder!r}, *(each for each in sys.path if each not in ({root!r}, ""))]
sys.argv = sys.argv[3:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
_IMPORT_ALL = """
import importlib, pkgutil, sys
import app, carriers, messages
for package in (app, carriers, messages):
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not each.name.endswith("__main__"):
            importlib.import_module(each.name)
print(len(sys.modules))
files = {name: str(getattr(module, "__file__", "")) for name, module in sys.modules.items()}
print(*[name for name, file in files.items() if file.startswith(sys.argv[1])])
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what `docker build` is sent, by .dockerignore."""
    folder = tmp_path_factory.mktemp("image")
    lines = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line != "*"]
    wanted = [line[1:] for line in lines if line.startswith("!")]
    out = [line for line in lines if not line.startswith(("!", "#"))]

    def ignored(where: str, names: list[str]) -> list[str]:
        return [name for name in names if _is_out((Path(where) / name).relative_to(ROOT), out)]

    for name in wanted:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "within.py").write_text(_WITHIN.format(folder=str(folder), root=str(ROOT)), "utf-8")
    return folder


def _is_out(path: Path, out: list[str]) -> bool:
    return path.name == "__pycache__" or any(fnmatch(str(path), pattern) for pattern in out)


class Slim(Home):
    """A home whose programs run from the copy."""

    image: Path

    def start(self, *arguments: str, within: object = ()) -> Program:
        return Home.start(self, *arguments, within=(sys.executable, str(self.image / "within.py")))


@pytest.fixture
def slim(image: Path, tmp_path: Path) -> Iterator[Slim]:
    home = Slim(tmp_path, f"sqlite:///{tmp_path / 'loa.sqlite3'}", measured=False)
    home.image = image
    try:
        yield home
    finally:
        home.end()


def test_all_that_is_left_imports(image: Path, tmp_path: Path) -> None:
    (image / "import_all.py").write_text(_IMPORT_ALL, "utf-8")
    words = [sys.executable, str(image / "within.py"), sys.executable, "-m", "import_all", f"{ROOT}/app/"]
    said = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    many, of_the_clone = said.stdout.splitlines()
    assert int(many) > 500
    assert of_the_clone == ""


async def test_a_campaign_goes_through(slim: Slim) -> None:
    files = write_sample(slim.folder / "files", SUBSCRIBERS, seed=3)
    async with Smsc(SmscBehaviour(receipt_delay_s=0.1)) as centre:
        slim.configure({"viettel": smpp_link("viettel", centre.port)})
        author = (await slim.command("key", "add", "author")).splitlines()[-1]
        chief = (await slim.command("key", "add", "chief", "--role", "approver")).splitlines()[-1]
        program = slim.start("up")
        await slim.until(lambda: "listening" in program.words(), "the API listens")
        headers = {"Authorization": f"Bearer {author}"}
        async with httpx.AsyncClient(base_url=slim.base, headers=headers, timeout=30) as http:
            api = Api(http, slim, chief)
            batch = await api.upload("viettel", files["viettel"])
            run = (await api.approved({"viettel": batch}))["viettel"]
            await api.post(f"/v1/runs/{run}/start")
            await api.wait({f"/v1/runs/{run}": "finished"})
            await reported(api, run, batch)
        assert await program.stop() == 0, program.words()
    assert json.loads((await slim.command("verify", "--json")).splitlines()[-1])["differences"] == []

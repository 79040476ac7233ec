"""The tutorials, typed as they are printed: each account in its own shell, each answer compared."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.tutorials.blocks import YOU, Block, blocks

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.md"))
APART = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc")
TOOLS = ("bash", "curl", "ip", "openssl", "setpriv", "unshare", "useradd")


@cache
def hindrance() -> str:
    """Why this machine can't show it; "" where it can."""
    if os.geteuid() != 0:
        return "only root can make the accounts of a tutorial"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"a tutorial needs {', '.join(missing)}"
    tried = subprocess.run([*APART, "true"], capture_output=True, check=False)
    return "this machine gives nobody namespaces of their own" if tried.returncode else ""


def typed(*documents: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [*APART, sys.executable, "-m", "tests.tutorials", *map(str, documents)]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False
    )


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_operator_then_administrator_then_service_on_one_host(tmp_path: Path) -> None:
    """The service installs a release by its lock and keeps the tutorial's letterheads."""
    if hindrance():
        pytest.skip(hindrance())
    release = tmp_path / "release-0.2.0"
    subprocess.run(["make", "wheel"], cwd=ROOT, check=True, capture_output=True)
    shutil.copytree(ROOT / "build/wheel", release)
    fetch = (sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps")
    subprocess.run([*fetch, "--dest", str(release / "wheels"), "-r", str(release / "loa.lock")], check=True)
    documents = (
        ROOT / f"docs/{name}.md" for name in ("tutorials/operator", "tutorials/admin", "deploy/README")
    )
    done = typed(*documents, LOA_TEST_RELEASE=str(release))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (
        "Papers bear the letterhead of Công an tỉnh Điện Biên" in done.stdout.rpartition("loa_here doctor")[2]
    )


@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["operator", "admin", "integrator"])
def test_from_an_empty_folder_to_a_frozen_report(name: str) -> None:
    if hindrance():
        pytest.skip(hindrance())
    done = typed(ROOT / f"docs/tutorials/{name}.md")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert '"version":1' in done.stdout or "version 1, frozen" in done.stdout


@pytest.mark.parametrize(
    ("commands", "answer", "said"),
    [
        ("false; echo on", "", "FAILED with status 1"),
        ("echo one; echo two", "two\none\n", "NOT ANSWERED: one"),
    ],
)
def test_a_tutorial_that_is_not_true_is_found(tmp_path: Path, commands: str, answer: str, said: str) -> None:
    if hindrance():
        pytest.skip(hindrance())
    page = tmp_path / "page.md"
    page.write_text(f"```sh\n# as root\n{commands}\n```\n\n```text\n{answer}```\n", "utf-8")
    done = typed(page)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, said)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.name)
def test_each_block_says_who_types_it_and_a_translation_has_the_same(page: Path) -> None:
    ours = blocks(page)
    accounts = {block.account for block in ours}
    assert accounts == {YOU} or YOU not in accounts
    if page.suffixes[0] == ".vi":
        original = blocks(page.with_name(f"{page.stem.removesuffix('.vi')}.md"))
        assert ours == original


@pytest.mark.parametrize(
    ("answer", "output", "missing"),
    [
        ("a\n…c\n", "x\na\nbc\n", None),
        ("a…c\n", "abbc  \n", None),
        ("a.c\n", "abc\n", "a.c"),
        ("b\na\n", "a\nb\n", "a"),
    ],
)
def test_answers_are_compared_line_by_line(answer: str, output: str, missing: str | None) -> None:
    assert Block("you", "true", answer).missing(output) == missing

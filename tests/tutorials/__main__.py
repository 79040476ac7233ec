"""Run documents behind `unshare`, as tests/long/test_tutorials.py does: `python -m tests.tutorials FILE...`.

They follow one another on one host, each in new terminals. LOA_TEST_RELEASE is the folder of a release that
the host has, with the libraries of its lock in `wheels`; then `loa` is what the document installs.

In these namespaces accounts are added to a copy of /etc, /srv and /home are empty, every port is free, and
whatever was started ends with the last process. Exit status 1 where a command fails or answers otherwise.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from tests.tutorials import commands
from tests.tutorials.blocks import Block, blocks

OURS = Path("/mnt")
_PATH = f"{OURS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_END = "--- end of the block:"
_PATIENCE_S = 220  # for each document
# A host of these namespaces reaches no index: the libraries are in the release's folder.
_INDEX = ("PIP_NO_INDEX=1", "PIP_FIND_LINKS=/opt/release-0.2.0/wheels", "PIP_DISABLE_PIP_VERSION_CHECK=1")


def main() -> int:
    """Run the blocks of the document one after the other."""
    signal.alarm(_PATIENCE_S * len(sys.argv[1:]))
    os.umask(0o022)  # other accounts are to enter the folders that are made here
    _set_apart()
    commands.install(OURS)
    number = 0
    for document in map(Path, sys.argv[1:]):
        terminals: dict[str, subprocess.Popen[str]] = {}
        if document.parent.name == "deploy":
            (OURS / "loa").unlink()
        for block in blocks(document):
            number += 1
            if block.account not in terminals:
                terminals[block.account] = _terminal(block.account)
            said, status = _type(terminals[block.account], block, OURS / f"{number}.sh")
            print(f"[{block.account}]\n{block.commands}{said}", flush=True)
            if status != "0":
                print(f"FAILED with status {status}")
                return 1
            if (missing := block.missing(said)) is not None:
                print(f"NOT ANSWERED: {missing}")
                return 1
        for terminal in terminals.values():
            _written(terminal).close()
            terminal.wait()
    return 0


def _set_apart() -> None:
    """Give the accounts of the tutorial an /etc, a /home and a /srv of their own."""
    readable = [Path(sys.base_prefix), Path(sys.prefix), commands.ROOT]
    _run("ip", "link", "set", "lo", "up")
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(OURS))
    for number, place in enumerate(readable):
        (OURS / str(number)).mkdir()
        _mount("--bind", str(place), str(OURS / str(number)))
    for closed in {each for place in readable if (each := _closed(place))}:
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(closed))
    for number, place in enumerate(readable):
        place.mkdir(parents=True, exist_ok=True)
        _mount("--bind", str(OURS / str(number)), str(place))
    release = os.environ.get("LOA_TEST_RELEASE")
    if release:
        _run("cp", "-a", release, str(OURS / "release"))
        _run("cp", "-a", "/usr/local/bin", str(OURS / "bin"))
        _mount("--bind", str(OURS / "bin"), "/usr/local/bin")
        (OURS / "python3").symlink_to(Path(sys.base_prefix) / "bin/python3")
    for empty in ("/home", "/srv", *(("/opt", "/var/lib") if release else ())):
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", empty)
    if release:
        _run("mv", str(OURS / "release"), "/opt/release-" + Path(release).name.removeprefix("release-"))
    _run("cp", "-a", "/etc", str(OURS / "etc"))
    _mount("--bind", str(OURS / "etc"), "/etc")


def _closed(place: Path) -> Path | None:
    """Return the topmost folder on the way there that other accounts may not enter."""
    return next((each for each in reversed(place.parents) if not each.stat().st_mode & 0o001), None)


def _mount(*arguments: str) -> None:
    _run("mount", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _terminal(account: str) -> subprocess.Popen[str]:
    """Open a shell of this account; it ends at the first command that fails. Make the account if need be."""
    if subprocess.run(["id", account], capture_output=True, check=False).returncode:
        _run("useradd", "--create-home", account)
    home = "/root" if account == "root" else f"/home/{account}"
    who = (
        () if account == "root" else ("setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups")
    )
    clean = ("env", "-i", f"HOME={home}", f"USER={account}", f"PATH={_PATH}", "LANG=C.UTF-8", *_INDEX)
    shell = subprocess.Popen(
        [*who, *clean, "bash", "-e"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        umask=0o022,
    )
    _written(shell).write(f'trap \'printf "\\n%s %s\\n" "{_END}" $?\' EXIT\n')
    return shell


def _written(shell: subprocess.Popen[str]) -> IO[str]:
    assert shell.stdin is not None
    return shell.stdin


def _type(shell: subprocess.Popen[str], block: Block, file: Path) -> tuple[str, str]:
    """Type a block into the shell; return what it says, and the exit status."""
    file.write_text(block.commands, "utf-8")
    file.chmod(0o644)
    _written(shell).write(f"source {file} </dev/null\necho; echo '{_END} 0'\n")
    _written(shell).flush()
    assert shell.stdout is not None
    said: list[str] = []
    for line in shell.stdout:
        if line.startswith(_END):
            return "".join(said), line.removeprefix(_END).strip()
        said.append(line)
    return "".join(said), "the shell is gone"


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # whatever is still running ends with this process

"""Loa as in its container: an account without rights, and every folder read-only but data and TMPDIR."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.faults.processes import Home, Program

# In the image Loa's account is 10001; here it has not even a name. One for each process of the tests, since
# whatever the account owns anywhere is looked for.
ACCOUNT = 10_001 + os.getpid() % 50_000
WORLDS = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # what everybody may write to

_SETPRIV = ("setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups", "--no-new-privs")
# Where the interpreter or the program is in somebody's home: everything may be read, as in an image, and
# nothing written. access(2) asks whether the account itself may, unless no_setuid_fixup is set.
_READER = (
    "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search",
    "--securebits=+no_setuid_fixup",
)
_NOBODY = ("--inh-caps=-all", "--ambient-caps=-all")

# The data folder and TMPDIR become mounts of their own, so that they alone stay writable. Root itself tries
# to write then: a seal that does not hold must not pass for one.
_SEAL = """
set -e
mount --make-rprivate /
mount --bind "$LOA_DATA" "$LOA_DATA"
mount --bind "$TMPDIR" "$TMPDIR"
findmnt -rno TARGET | while read -r place; do
  case "$place" in /proc*|/sys*|/dev/pts|"$LOA_DATA"|"$TMPDIR") continue ;; esac
  mount -o remount,bind,ro "$place"
done
for place in / /tmp /dev/shm "$HERE"; do
  if touch "$place/seal" 2>/dev/null; then echo "not sealed: $place" >&2; exit 99; fi
done
exec "$@"
"""
_SEALED = ("unshare", "--mount", "sh", "-c", _SEAL, "sh")


class SealedHome(Home):
    """A home whose programs run without rights, in a folder that is not theirs, with no HOME.

    sealed: every other folder is mounted read-only as well, for everybody.
    """

    __slots__ = ("sealed",)

    def __init__(self, folder: Path, *, sealed: bool) -> None:
        super().__init__(folder, f"sqlite:///{folder / 'data' / 'loa.sqlite3'}")
        self.sealed = sealed

    def start(self, *arguments: str) -> Program:
        log = self.folder / f"{len(self.programs)}-{arguments[0]}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*(_SEALED if self.sealed else ()), *without_rights(), *loa(*arguments)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self.environment(),
                cwd="/",
            )
        self.programs.append(Program(process, log))
        return self.programs[-1]

    def environment(self) -> dict[str, str]:
        """Nothing of ours: no HOME, no PYTHON..., no coverage that would want to write beside the sources."""
        own = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HERE": str(Path(__file__).parent)}
        own |= {"LOA_DATA": str(self.folder / "data"), "TMPDIR": str(self.folder / "tmp")}
        return own | {"LOA_CONFIG": str(self.folder / "loa.toml"), "LOA_PORT": str(self.port)}

    def strays(self) -> list[str]:
        """What the account has left anywhere it could, and beside the program, but for its data folder."""
        places = [*map(Path, WORLDS), Path(sys.prefix), Path(__file__).parents[2]]
        return [str(found) for place in places for found in self._owned(place)]

    def _owned(self, place: Path) -> Iterator[Path]:
        for root, folders, files in os.walk(place):
            if Path(root) == self.folder:
                folders.remove("data")
            yield from (Path(root) / name for name in (*folders, *files) if self._is_stray(Path(root) / name))

    def _is_stray(self, found: Path) -> bool:
        try:
            return found.lstat().st_uid == ACCOUNT and found != self.folder / "tmp"
        except FileNotFoundError:
            return False  # another test's, gone meanwhile


def loa(*arguments: str) -> list[str]:
    """The command line of `loa ARGUMENTS`, from any folder."""
    return [sys.executable, "-m", "app.cli", *arguments]


@cache
def without_rights() -> tuple[str, ...]:
    """What a command is put behind to run without rights."""
    plain = (*_SETPRIV, *_NOBODY)
    tried = subprocess.run([*plain, *loa("--help")], cwd="/", capture_output=True, check=False)
    return plain if tried.returncode == 0 else (*_SETPRIV, *_READER)


@cache
def hindrance(*, sealed: bool) -> str:
    """Why this machine can't show it; "" where it can."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return "only root can take another account's place"
    if not sealed:
        return ""
    if shutil.which("unshare") is None or shutil.which("findmnt") is None:
        return "mounts of its own need the commands unshare and findmnt"
    with folder() as place:
        home = SealedHome(place, sealed=True)
        tried = subprocess.run([*_SEALED, "true"], env=home.environment(), capture_output=True, check=False)
    return "this machine lets nobody mount read-only" if tried.returncode else ""


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of root's that everybody may enter, with `data` and `tmp` in it for the account."""
    place = Path(tempfile.mkdtemp(prefix="loa-sealed-"))
    try:
        place.chmod(0o711)
        for name in ("data", "tmp"):
            (place / name).mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(place / name, ACCOUNT, ACCOUNT)
        yield place
    finally:
        shutil.rmtree(place)

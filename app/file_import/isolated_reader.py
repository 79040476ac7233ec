"""Read an uploaded file in a separate, limited process: a malicious file can kill only that process.

Small plain text files are read in this process, because they can't expand.
"""

from __future__ import annotations

import dataclasses
import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

from app.core import areas
from app.core.errors import Conflict, Invalid
from carriers.phrases import Phrase, kept

_ROOT = str(Path(__file__).parents[2])  # root of our own modules
# An allowlist: passwords may be in any variable, such as PGPASSWORD or one of the host's own.
_NAMES = frozenset(("HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV"))
_PREFIXES = ("LC_", "PYTHON", "COVERAGE_", "COV_")


def environment() -> dict[str, str]:
    """Return the environment for a process that reads hostile bytes, with our modules to be found."""
    own = {name: value for name, value in os.environ.items() if name in _NAMES or name.startswith(_PREFIXES)}
    return own | {"PYTHONPATH": os.pathsep.join(filter(None, (_ROOT, own.get("PYTHONPATH"))))}


def limit(memory: int, seconds: int) -> None:
    """Limit this process's address space in bytes and processor time; it never dumps its memory."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


_SMALL = 1024**2  # bytes
_PACKED = (b"PK", b"\x1f\x8b")
# Beyond what the program itself takes. The numbers seen of a batch are 125 MB of it, mostly untouched.
_MEMORY = 384 * 1024**2
_CPU_S = 120  # plus two seconds per megabyte
_NICE = 5  # sending has priority
_TOO_LARGE = "Reading the file takes too much memory. Save it as “CSV UTF-8”, or split it."
_TOO_LONG = "Reading the file takes too long. Save it as “CSV UTF-8”, or split it."
_MISTAKE = "The file cannot be read because of an error in Loa. See the log for details."

T = TypeVar("T")


class ReaderEnded(Conflict):
    """The process that reads the file was ended from outside; the import may be tried again."""


def read_isolated(path: Path, work: Callable[[], Iterator[T]]) -> Generator[T]:
    """Yield what `work` yields while reading `path`; it must be a picklable function or partial.

    Invalid as raised by `work`, and if the file takes too much memory or time; ReaderEnded if something else
    ended the process.
    """
    if not _needs_isolation(path):
        yield from work()
        return
    process = _start()
    try:
        # One that has ended before it was asked gives no results either, which says why.
        with suppress(BrokenPipeError), _open_pipe(process.stdin) as asked:
            seconds = _CPU_S + 2 * path.stat().st_size // 1024**2
            pickle.dump((work, seconds, areas.chosen()), asked)
        yield from _results(process)
    finally:
        process.kill()
        process.wait()
        _open_pipe(process.stdout).close()


def _needs_isolation(path: Path) -> bool:
    with path.open("rb") as file:
        packed = file.read(4).startswith(_PACKED)
    return packed or path.stat().st_size > _SMALL


def _start() -> subprocess.Popen[bytes]:
    """Start the reader without our secrets, and out of reach of signals to our process group."""
    # -P: don't import from the current folder, to which others may write.
    command = [sys.executable, "-P", "-m", "app.file_import.isolated_reader"]
    return subprocess.Popen(  # noqa: S603 - ourselves
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    )


def _open_pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("a process without pipes")
    return pipe


def _results(process: subprocess.Popen[bytes]) -> Iterator[Any]:
    answers = _open_pipe(process.stdout)
    while True:
        try:
            kind, value = _ResultUnpickler(answers).load()
        except (EOFError, pickle.UnpicklingError):
            raise _exit_error(process.wait()) from None
        if kind == "refused":
            raise Invalid(Phrase.from_json(value))
        if kind == "end":
            return
        yield value


def _exit_error(status: int) -> Invalid | ReaderEnded:
    if -status == signal.SIGXCPU:
        return Invalid(_TOO_LONG)
    if status < 0:
        return ReaderEnded(
            "The process that reads the file was ended (signal {n}). The import was postponed.", n=-status
        )
    return Invalid(_MISTAKE)


class _ResultUnpickler(pickle.Unpickler):
    """Unpickle plain values and our data classes only, so that a hijacked reader can't run code here."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a data class from the module that defines it; Invalid for anything else."""
        found = super().find_class(module, name) if module.startswith("app.") and "." not in name else None
        if isinstance(found, type) and dataclasses.is_dataclass(found) and found.__module__ == module:
            return found
        import structlog  # imported late, because most commands read no file

        log = structlog.get_logger(__name__)
        log.error("the file-reading process returned an unexpected message", what=f"{module}.{name}")
        raise Invalid(_MISTAKE)


def main() -> None:
    """Read the file in the separate process, and write results to standard output."""
    for name in (signal.SIGTERM, signal.SIGINT):  # supervisors signal all processes; the parent ends this one
        signal.signal(name, signal.SIG_IGN)
    os.nice(_NICE)
    answers = os.fdopen(os.dup(1), "wb", buffering=1024**2)
    os.dup2(2, 1)  # keeps output of libraries out of the results
    given = pickle.load(sys.stdin.buffer)  # from our own program  # noqa: S301  # nosec B301
    work, seconds, province = given
    areas.use(province)
    too_large = pickle.dumps(("refused", _TOO_LARGE))  # when memory is full, nothing more can be made
    _limit_resources(seconds)
    try:
        with answers:
            try:
                for answer in _run_work(work):
                    answers.write(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
                    answers.flush()
            except MemoryError:
                answers.write(too_large)
    except BrokenPipeError:  # who asked was killed, so nobody is there to be told
        os._exit(1)


def _run_work(work: Callable[[], Iterator[Any]]) -> Iterator[tuple[str, Any]]:
    try:
        for item in work():
            yield "item", item
        yield "end", None
    except Invalid as error:
        yield "refused", kept(error.detail)


def _limit_resources(seconds: int) -> None:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    limit(pages * resource.getpagesize() + _MEMORY, seconds)


if __name__ == "__main__":
    main()

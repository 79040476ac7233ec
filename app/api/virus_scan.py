"""Has a program, such as an antivirus scanner, look at each file that comes in before it is used."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import structlog

from app.core.config import Settings
from app.core.errors import AppError, Invalid

_CLEAN, _FOUND = 0, 1  # as clamscan and clamdscan have it, and whatever wraps another scanner
_SAID = 300  # characters of its output that are logged
_LONGEST = 4  # bytes of a character

log = structlog.get_logger(__name__)


class Harmful(Invalid):
    """The scanner has found something in the file."""

    slug, title = "harmful-file", "The file is refused by the scanner"


class Unscanned(AppError):
    """The scanner did not answer, so the file is not taken."""

    status, slug, title = 503, "not-scanned", "The file can't be scanned now"


async def require_clean(settings: Settings, path: Path) -> None:
    """Harmful or Unscanned unless the program of `scan_command` passes the file, where there is one."""
    if not settings.scan_command:
        return
    code, said = await _run(_command(settings, path), settings.scan_seconds)
    if code == _CLEAN:
        return
    log.warning("an upload was refused by the scanner", exit_status=code, said=said.strip()[-_SAID:])
    if code == _FOUND:
        raise Harmful(
            "The scanner has found harmful code in the file. Clean the computer that it comes from.",
            field="file",
        )
    raise Unscanned("The file could not be scanned, so it is not taken. Tell the administrator.")


def _command(settings: Settings, path: Path) -> tuple[str, ...]:
    """A path from the root can't be taken for an option."""
    return (*settings.scan_command, str(path.absolute()))


async def _run(command: tuple[str, ...], seconds: float) -> tuple[int | None, str]:
    """Exit status and output of the command, by no shell; None where it does not start, or end in time."""
    # A file, since a pipe ends only when everything that the command has left behind has ended.
    with TemporaryFile() as output:
        try:
            program = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return None, str(error.strerror)
        try:
            await asyncio.wait_for(program.wait(), seconds)
        except TimeoutError:
            return None, f"no answer after {seconds:g} s"
        finally:
            if program.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(program.pid, signal.SIGKILL)  # with all that it has started
                await program.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - _SAID * _LONGEST))
        return program.returncode, output.read().decode("utf-8", "replace")

"""Compares a page with the approved text, in a process of its own: a hostile page may want any time.

Within the process that sends it would hold everything else up: Python runs one thread at a time.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from app.core import child_processes
from app.directives.publication.comparing import Found, compare
from app.directives.publication.visible_words import visible
from app.reports.figures.publications import PublicationState, PublishedDifference

_MEMORY, _SECONDS, _PATIENCE_S = 1 << 30, 20, 120.0  # bytes and processor seconds; seconds in all


async def judge(
    body: bytes, charset: str, plain: bool, forms: list[str], seconds: int = _SECONDS
) -> Found | None:
    """Return what the page says of the text; None if that takes more than it may.

    charset: as the server says, or ""; plain: the body is text, not HTML; forms: of the text, as published.
    """
    # -P: no module of the folder in which Loa happens to run.
    command = [sys.executable, "-P", "-m", "app.directives.publication.judging", str(seconds)]
    asked = json.dumps({"charset": charset, "plain": plain, "forms": forms}).encode() + b"\n" + body
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(
        *command,
        stdin=pipe,
        stdout=pipe,
        stderr=asyncio.subprocess.DEVNULL,
        env=child_processes.environment(),
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            said, _ = await program.communicate(asked)
    except (TimeoutError, OSError):
        return None
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    if program.returncode:
        return None
    state, differences = json.loads(said)
    return PublicationState(state), tuple(PublishedDifference(*each) for each in differences)


def _main() -> None:
    seconds = int(sys.argv[1])
    child_processes.limit(_MEMORY, seconds)
    os.nice(10)
    head, _, body = sys.stdin.buffer.read().partition(b"\n")
    asked = json.loads(head)
    state, differences = compare(visible(body, asked["charset"], asked["plain"]), asked["forms"])
    json.dump([state, [(each.approved, each.found) for each in differences]], sys.stdout)


if __name__ == "__main__":
    _main()

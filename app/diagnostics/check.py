"""Whether a link works: its account as the carrier sees it, or at least that it is reached. Sends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.core.config import LinkSettings
from app.core.errors import SetupError
from app.diagnostics.links import came_up, opened
from app.runtime.worker import build
from carriers.contract import Carrier, Checked, CheckFinding

# Several questions, each asked again when its answer is lost.
_LONGEST_S = 180.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One finding of one link."""

    link: str
    good: bool
    what: str


async def check(links: Mapping[str, LinkSettings]) -> list[CheckResult]:
    """Look at these links one after the other; a link that can't be built is a finding as well."""
    return [
        CheckResult(name, finding.good, finding.what)
        for name, link in links.items()
        for finding in await _findings(name, link)
    ]


async def _findings(name: str, link: LinkSettings) -> Sequence[CheckFinding]:
    try:
        carrier = build(name, link)
    except SetupError as error:
        return [CheckFinding(False, error.detail)]
    async with opened(carrier):
        try:
            async with asyncio.timeout(_LONGEST_S):
                return await _look(carrier)
        except TimeoutError:
            return [CheckFinding(False, f"The link gave no answer within {_LONGEST_S:g} s.")]


async def _look(carrier: Carrier) -> Sequence[CheckFinding]:
    if isinstance(carrier, Checked):
        return await carrier.check()
    why = await came_up(carrier)
    return [CheckFinding(not why, f"{why}." if why else "The link is up; its account can't be looked at.")]

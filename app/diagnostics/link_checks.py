"""Check links for `loa carrier`: resolve their names, and open one for a short while outside any worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from app.core.config import EndpointSettings, LinkSettings, Settings
from app.core.errors import Conflict, NotFound, SetupError
from app.notifications import sender
from app.runtime.worker import build
from carriers.contract import (
    Carrier,
    Checked,
    CheckFinding,
    ListedFailures,
    OwnFigures,
    QueriedReceipts,
    ReadError,
    StreamReceipts,
)

PATIENCE_S = 20.0  # a link that takes longer to come up counts as down
_LOOK_S = 0.1
_WORDS = (
    (StreamReceipts, "delivers receipts"),
    (QueriedReceipts, "can be queried about a message"),
    (ListedFailures, "lists failures"),
    (OwnFigures, "provides its own figures"),
    (Checked, "can be checked"),
)


@dataclass(frozen=True, slots=True)
class ConfiguredLink:
    """A configured link; `can` is what its kind offers beside sending."""

    link: str
    carrier: str
    kind: str
    segments_per_second: float
    receipts: str
    can: str
    poll: str
    reconcile: bool
    test_numbers: int


def listed(settings: Settings) -> list[ConfiguredLink]:
    return [_line(name, link, build(name, link)) for name, link in settings.links.items()]


def _line(name: str, link: LinkSettings, carrier: Carrier) -> ConfiguredLink:
    can = ", ".join(words for kind, words in _WORDS if isinstance(carrier, kind))
    asked = link.poll if isinstance(carrier, QueriedReceipts) else "-"
    return ConfiguredLink(
        name,
        link.carrier,
        link.kind,
        link.segments_per_second,
        carrier.receipt_level.name.lower(),
        can or "-",
        asked,
        link.reconcile,
        len(link.test_numbers),
    )


def chosen(settings: Settings, name: str) -> dict[str, LinkSettings]:
    """Return the link of that name, or all links of that carrier. Raises NotFound with the known names."""
    if name in settings.links:
        return {name: settings.links[name]}
    found = {key: link for key, link in settings.links.items() if link.carrier == name}
    if not found:
        known = ", ".join(sorted(settings.links)) or "none"
        raise NotFound(
            "There is no link or carrier “{name}” in the settings. Available links: {known}.",
            name=name[:40],
            known=known,
        )
    return found


@asynccontextmanager
async def opened(carrier: Carrier) -> AsyncIterator[Carrier]:
    await carrier.open()
    try:
        yield carrier
    finally:
        await carrier.close()


@asynccontextmanager
async def reading(carrier: Carrier) -> AsyncIterator[None]:
    """Open the link. Raises Conflict if it does not come up, or if the carrier can't be read."""
    async with opened(carrier):
        why = await came_up(carrier)
        if why:
            raise Conflict("Link {name}: {why}.", name=carrier.name, why=why)
        try:
            yield
        except ReadError as error:
            raise Conflict("Link {name}: {error}", name=carrier.name, error=error) from None


async def came_up(carrier: Carrier, patience_s: float = PATIENCE_S) -> str:
    """Return "" once the link can take a message, else a sentence why not."""
    ready = asyncio.ensure_future(carrier.ready())
    end = asyncio.get_running_loop().time() + patience_s
    try:
        while not ready.done():
            halted = carrier.halted()
            if halted is not None:
                return f"The carrier rejects the link ({halted.code}): {halted.reason}"
            if asyncio.get_running_loop().time() > end:
                return f"The link did not connect within {patience_s:g} s"
            await asyncio.wait({ready}, timeout=_LOOK_S)
    finally:
        ready.cancel()
    return ""


# ---- Checks

_LONGEST_S = 180.0  # several queries, each repeated when its answer is lost


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One finding of one link."""

    link: str
    good: bool
    what: str


async def check(links: Mapping[str, LinkSettings]) -> list[CheckResult]:
    """Check these links one after the other, sending nothing; a link that can't be built is a finding too."""
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
            return [CheckFinding(False, f"The link did not answer within {_LONGEST_S:g} s.")]


async def _look(carrier: Carrier) -> Sequence[CheckFinding]:
    if isinstance(carrier, Checked):
        return await carrier.check()
    why = await came_up(carrier)
    return [
        CheckFinding(not why, f"{why}." if why else "The link is connected; its account cannot be checked.")
    ]


async def check_endpoints(endpoints: Mapping[str, EndpointSettings], private: bool) -> list[CheckResult]:
    """Look up each endpoint's host as a sending does; nothing is sent. private: inner addresses are ours."""
    return [await _endpoint(name, urlsplit(each.url), private) for name, each in endpoints.items()]


async def _endpoint(name: str, url: SplitResult, private: bool) -> CheckResult:
    try:
        await sender.resolve(url.hostname or "", url.port or 443, private=private)
    except sender.AddressRefused as error:
        return CheckResult(name, False, str(error))
    except OSError:
        return CheckResult(name, False, f"{url.hostname} cannot be resolved. Correct endpoints.{name}.url.")
    return CheckResult(name, True, f"{url.hostname} can be resolved.")

"""Kind of link -> class: the only list of carriers; third parties join by entry point."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from carriers.contract import Carrier, LinkError, LinkOptions
from carriers.smpp.carrier import SmppCarrier

GROUP = "loa.carriers"
Make = Callable[[LinkOptions], Carrier]

OWN: dict[str, Make] = {
    "smpp": SmppCarrier,
}


def kinds() -> list[str]:
    """Every kind of link that this installation knows."""
    return sorted({*OWN, *(point.name for point in entry_points(group=GROUP))})


def build(kind: str, link: LinkOptions) -> Carrier:
    """The link as its kind makes it; LinkError for an unknown kind or wrong settings."""
    return _find(kind, link)(link)


def _find(kind: str, link: LinkOptions) -> Make:
    if kind in OWN:
        return OWN[kind]
    for point in entry_points(group=GROUP, name=kind):
        found: Make = point.load()
        return found
    raise LinkError(
        f"Link {link.name}: there is no kind {kind!r}; this installation knows: {', '.join(kinds())}."
    )

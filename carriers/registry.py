"""The only list of link kinds and their classes; third parties add kinds by entry point."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points

from carriers.contract import Carrier, LinkError, LinkOptions, WebhookReceipts
from carriers.mobifone.carrier import MobifoneCarrier
from carriers.mobifone.settings import MobifoneSettings
from carriers.options import saying as options_that_say
from carriers.smpp.carrier import SmppCarrier
from carriers.smpp.receipt import canonical_ids
from carriers.smpp.settings import SmppSettings
from carriers.viettel.carrier import viettel
from carriers.viettel.settings import ViettelSettings
from carriers.vnpt.carrier import VnptCarrier
from carriers.vnpt.settings import VnptSettings

GROUP = "loa.carriers"
Make = Callable[[LinkOptions], Carrier]
Canonical = Callable[[str], str]

OWN: dict[str, Make] = {
    "mobifone": MobifoneCarrier,
    "smpp": SmppCarrier,
    "viettel": viettel,
    "vnpt": VnptCarrier,
}
SETTINGS: dict[str, type] = {
    "mobifone": MobifoneSettings,
    "smpp": SmppSettings,
    "viettel": ViettelSettings,
    "vnpt": VnptSettings,
}
_SECRET = re.compile("password|secret|token|key|login|user", re.IGNORECASE)
# Kinds that store message ids in another form than the carrier writes them.
CANONICAL: dict[str, Callable[[LinkOptions], Canonical]] = {"smpp": canonical_ids}


def kinds() -> list[str]:
    return sorted({*OWN, *(point.name for point in entry_points(group=GROUP))})


def build(kind: str, link: LinkOptions) -> Carrier:
    """Build the link; LinkError for an unknown kind or wrong settings."""
    return _find(kind, link)(link)


def webhook(kind: str, link: LinkOptions) -> WebhookReceipts | None:
    """Build the link if its kind parses its own webhooks; else None, without needing its password."""
    make = _find(kind, link)
    if (kind in OWN or isinstance(make, type)) and not hasattr(make, "parse_receipts"):
        return None
    made = make(link)
    return made if isinstance(made, WebhookReceipts) else None


def canonical(kind: str, link: LinkOptions) -> Canonical | None:
    """Return how the link normalises message ids, or None if it keeps them as the carrier writes them."""
    make = CANONICAL.get(kind)
    return None if make is None else make(link)


def saying(kind: str, options: Mapping[str, object]) -> dict[str, object]:
    """Return the options that change what is sent or as whom; for third-party kinds all but credentials."""
    if kind in SETTINGS:
        return options_that_say(SETTINGS[kind], options)
    return {name: value for name, value in options.items() if not _SECRET.search(name)}


def _find(kind: str, link: LinkOptions) -> Make:
    if kind in OWN:
        return OWN[kind]
    for point in entry_points(group=GROUP, name=kind):
        found: Make = point.load()
        return found
    raise LinkError(
        f"Link {link.name}: there is no kind {kind!r}; this installation knows: {', '.join(kinds())}."
    )

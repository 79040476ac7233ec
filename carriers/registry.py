"""The only list of link kinds; third parties add kinds by entry point. How to add one: carriers/README.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points

from carriers.contract import Carrier, LinkError, LinkOptions, WebhookReceipts
from carriers.options import Adapter
from carriers.options import content_options as own_content_options

GROUP = "loa.carriers"
# Our own adapters, one line each: the kind in the settings, which is also the folder. Imported when needed.
OWN = (
    "mobifone",
    "smpp",
    "viettel",
    "vnpt",
)
_SECRET = re.compile("password|secret|token|key|login|user", re.IGNORECASE)


def kinds() -> list[str]:
    """Return every kind of link that this installation knows."""
    return sorted({*OWN, *(point.name for point in entry_points(group=GROUP))})


def adapter(kind: str) -> Adapter:
    """Return one of our own adapters."""
    found: Adapter = import_module(f"carriers.{kind}.carrier").ADAPTER
    return found


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


def canonical(kind: str, link: LinkOptions) -> Callable[[str], str] | None:
    """Return how the link normalises message ids, or None if it keeps them as the carrier writes them."""
    make = adapter(kind).canonical if kind in OWN else None
    return None if make is None else make(link)


def content_options(kind: str, options: Mapping[str, object]) -> dict[str, object]:
    """Return the options that change what is sent or as whom; for third-party kinds all but credentials."""
    if kind in OWN:
        return own_content_options(adapter(kind).settings, options)
    return {name: value for name, value in options.items() if not _SECRET.search(name)}


def _find(kind: str, link: LinkOptions) -> Callable[[LinkOptions], Carrier]:
    if kind in OWN:
        return adapter(kind).make
    for point in entry_points(group=GROUP, name=kind):
        found: Callable[[LinkOptions], Carrier] = point.load()
        return found
    raise LinkError(
        f"Link {link.name}: there is no kind {kind!r}; this installation knows: {', '.join(kinds())}."
    )

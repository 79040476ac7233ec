"""For which carriers there may be batches, so that a slip of the pen makes no batch that nobody can send."""

from __future__ import annotations

from app.config import Settings
from app.errors import Invalid
from app.phone import HOLDERS


def check_carrier(settings: Settings, carrier: str) -> str:
    """The carrier, when it holds ranges or has a link here; Invalid otherwise."""
    known = HOLDERS | {link.carrier for link in settings.links.values()}
    if carrier in known:
        return carrier
    raise Invalid(
        f"There is no carrier “{carrier[:40]}”. Name one of {', '.join(sorted(known))}.", field="carrier"
    )

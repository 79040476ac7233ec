"""For which carriers there may be batches, so that a slip of the pen makes no batch that nobody can send."""

from __future__ import annotations

from app.core.config import Settings
from app.core.errors import Invalid, meant
from app.core.phone import HOLDERS


def check_own(settings: Settings, carrier: str | None) -> None:
    """Invalid for an account of a carrier that there is not; most accounts have none."""
    if carrier is not None:
        check_carrier(settings, carrier)


def check_carrier(settings: Settings, carrier: str) -> str:
    """The carrier, when it holds ranges or has a link here; Invalid otherwise."""
    known = HOLDERS | {link.carrier for link in settings.links.values()}
    if carrier in known:
        return carrier
    near, names = meant(carrier, known), ", ".join(sorted(known))
    if near:
        raise Invalid(
            f"There is no carrier “{carrier[:40]}”; do you mean {near}? Name one of {names}.", field="carrier"
        )
    raise Invalid(f"There is no carrier “{carrier[:40]}”. Name one of {names}.", field="carrier")

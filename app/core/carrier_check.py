"""Reject unknown carriers, so that a typo cannot create a batch that nobody can send."""

from __future__ import annotations

from collections.abc import Sized

from app.core.config import Settings
from app.core.errors import Invalid, meant
from app.core.phone import HOLDERS


def check_own(settings: Settings, carrier: str | None) -> None:
    """Raise Invalid for an account of an unknown carrier; most accounts have no carrier."""
    if carrier is not None:
        check_carrier(settings, carrier)


def check_filter(settings: Settings, carrier: str | None, rows: Sized, after: object = 0) -> None:
    """Raise Invalid if a list is empty because there is no such carrier.

    Carriers of former years have no link any more; their rows still show them.
    """
    if carrier is not None and not rows and not after:
        check_carrier(settings, carrier)


def check_carrier(settings: Settings, carrier: str) -> str:
    """Return the carrier if it holds number ranges or has a link here; raise Invalid otherwise."""
    known = HOLDERS | {link.carrier for link in settings.links.values()}
    if carrier in known:
        return carrier
    near, names = meant(carrier, known), ", ".join(sorted(known))
    if near:
        raise Invalid(
            "Carrier “{carrier}” does not exist. Did you mean {near}? Available carriers: {known}.",
            carrier=carrier[:40],
            near=near,
            known=names,
            field="carrier",
        )
    raise Invalid(
        "Carrier “{carrier}” does not exist. Available carriers: {known}.",
        carrier=carrier[:40],
        known=names,
        field="carrier",
    )

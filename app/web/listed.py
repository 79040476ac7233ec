"""What lists and forms of several areas share: numbers in an address, and the carriers there are."""

from __future__ import annotations

from app.config import Settings
from app.phone import HOLDERS
from app.web import names

LARGEST = 2**31 - 1


def number(said: str) -> int:
    """A number of the address; 0 for anything else."""
    return min(int(said), LARGEST) if said.isascii() and said.isdecimal() and len(said) < 12 else 0


def carriers(settings: Settings) -> dict[str, str]:
    """Every carrier for which there may be batches, with its name; those with a link here first."""
    linked = {link.carrier for link in settings.links.values()}
    return {each: names.network(each) for each in [*sorted(linked), *sorted(HOLDERS - linked)]}

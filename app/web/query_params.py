"""What lists and forms of several areas share: numbers in an address, and the carriers there are."""

from __future__ import annotations

from app.core import ids
from app.core.config import Settings
from app.core.ids import LARGEST
from app.core.phone import HOLDERS
from app.web import display_names

__all__ = ["LARGEST", "carriers", "number"]


def number(said: str) -> int:
    """An id or a position of the address; 0 for anything else."""
    return ids.read(said) or 0


def carriers(settings: Settings) -> dict[str, str]:
    """Every carrier for which there may be batches, with its name; those with a link here first."""
    linked = {link.carrier for link in settings.links.values()}
    return {each: display_names.network(each) for each in [*sorted(linked), *sorted(HOLDERS - linked)]}

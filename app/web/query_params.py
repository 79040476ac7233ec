"""Helpers shared by lists and forms: numbers in URLs, known carriers."""

from __future__ import annotations

from app.core import ids
from app.core.config import Settings
from app.core.ids import LARGEST
from app.core.phone import HOLDERS
from app.web import display_names

__all__ = ["LARGEST", "carriers", "number"]


def number(text: str) -> int:
    """Parse an id or position of the URL; 0 for anything else."""
    return ids.read(text) or 0


def carriers(settings: Settings) -> dict[str, str]:
    """Return every carrier that may have batches with its name, linked ones first."""
    linked = {link.carrier for link in settings.links.values()}
    return {each: display_names.network(each) for each in [*sorted(linked), *sorted(HOLDERS - linked)]}

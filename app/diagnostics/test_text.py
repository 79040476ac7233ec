"""What a test message says: a text of messages/ or the person's own words, in the form that would go out."""

from __future__ import annotations

from app.campaigns import texts
from app.campaigns.drafts import TextForm
from app.core.errors import Invalid
from carriers.text import nfc, unaccent


def wording(key: str | None, own: str | None, form: TextForm) -> str:
    """The wording; Invalid unless exactly one of the two is given and says something."""
    if (key is None) == (own is None):
        raise Invalid(
            "Give either --text-key, a text of messages/, or --text, your own wording.", field="text"
        )
    if own is not None and not own.strip():
        raise Invalid("--text is empty.", field="text")
    if own is not None:
        return nfc(unaccent(own) if form is TextForm.UNACCENTED else own)
    found = texts.find(key or "")
    return found.unaccented if form is TextForm.UNACCENTED else found.accented

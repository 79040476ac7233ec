"""What stands in a language column, as a BCP 47 tag such as a campaign's texts have."""

from __future__ import annotations

import re

from app.core.areas import fold

_TAG = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,4})?")
_NAMES = {
    **dict.fromkeys(("vietnamese", "tiengviet", "viet", "kinh", "vn", "vie"), "vi"),
    **dict.fromkeys(("hmong", "mong", "tiengmong", "tienghmong"), "hmn"),
    **dict.fromkeys(("thai", "tiengthai", "thaiden", "taidam"), "blt"),  # the Thái of Sơn La, not of Thailand
}


def normalise_language(raw: str) -> str | None:
    """The tag, or None for what names no language: that subscriber gets the default wording."""
    tag = raw.strip().lower().replace("_", "-")
    return _NAMES.get(fold(raw)) or (tag if _TAG.fullmatch(tag) else None)

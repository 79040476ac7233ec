"""What a text costs and whether it looks honest: alphabets, parts, previews, substitutions, checks."""

from carriers.text.alphabet import (
    NotGsm7,
    NotUcs2,
    encoding_of,
    gsm7,
    nfc,
    ucs2,
    unaccent,
    ungsm7,
)
from carriers.text.checks import Severity, TextFinding, lint
from carriers.text.parts import STANDARD, Preview, Segments, Table, Tables, preview, segments, split
from carriers.text.substitutions import Fix, apply_fixes, fixes

__all__ = [
    "STANDARD",
    "Fix",
    "NotGsm7",
    "NotUcs2",
    "Preview",
    "Segments",
    "Severity",
    "Table",
    "Tables",
    "TextFinding",
    "apply_fixes",
    "encoding_of",
    "fixes",
    "gsm7",
    "lint",
    "nfc",
    "preview",
    "segments",
    "split",
    "ucs2",
    "unaccent",
    "ungsm7",
]

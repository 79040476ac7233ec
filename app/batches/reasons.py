"""Why a line of a file gave no subscriber: the reasons of app/core/phone.py and those of the line itself."""

from __future__ import annotations

from app.core import phone
from app.core.phone import Sentence
from app.file_import.row_blocks import LINE_REASONS

REPEATED = "repeated"

REASONS = (
    phone.REASONS
    | LINE_REASONS
    | {REPEATED: Sentence("The number stands in an earlier line of the file.", "Số đã có ở dòng trước.")}
)

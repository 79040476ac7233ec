"""Why a line of a file gave no subscriber: the reasons of app/phone.py and those of the line itself."""

from __future__ import annotations

from app import phone
from app.phone import Sentence

REPEATED = "repeated"

REASONS = phone.REASONS | {
    REPEATED: Sentence("The number stands in an earlier line of the file.", "Số đã có ở dòng trước."),
    "long_line": Sentence("The line is too long to be one subscriber.", "Dòng quá dài."),
    "quotes": Sentence(
        "The quotation marks of the line don't match.", "Dấu ngoặc kép trong dòng không khớp nhau."
    ),
}

"""Read the texts of messages/, in both forms."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from app.core.errors import NotFound, SetupError
from carriers.phrases import join
from carriers.text import nfc

SENDER = "{sender}"  # in a text: the sender name under which it is sent
PURPOSES = ("tuyen_truyen", "canh_bao_khan")
_KEY = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Text:
    """One text in its forms, all in Unicode NFC."""

    key: str
    title: str
    purpose: str
    accented: str
    unaccented: str
    written_by: str
    notes: str = ""
    reworded: str = ""


def with_sender(text: str, sender: str) -> str:
    """Return the text with the sender name where it has the placeholder."""
    return text.replace(SENDER, sender)


@cache
def all_texts() -> tuple[Text, ...]:
    """Return every installed text, by key. Raises SetupError for a wrong file."""
    return read_texts(resources.files("messages"))


def find(key: str) -> Text:
    """Return the text of that key. Raises NotFound with the known keys."""
    for text in all_texts():
        if text.key == key:
            return text
    known = ", ".join(text.key for text in all_texts())
    raise NotFound(
        'Text "{key}" does not exist in messages/. Available texts: {known}.',
        key=key,
        known=known,
        field="text_key",
    )


def read_texts(folder: Traversable) -> tuple[Text, ...]:
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(_text(file) for file in files)


def _text(file: Traversable) -> Text:
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(
            "messages/{file} is not valid TOML in UTF-8: {why}.", file=file.name, why=error
        ) from None
    text = Text(**_strings(table, file.name))
    _check(text, file.name)
    return text


def _strings(table: dict[str, Any], name: str) -> dict[str, str]:
    """Return the table as NFC arguments for a text. Raises SetupError for a missing or unknown field."""
    known = {field.name: field for field in fields(Text)}
    if strange := sorted(table.keys() - known.keys()):
        raise SetupError(
            "messages/{file}: unknown field {key}. See messages/README.md.", file=name, key=strange[0]
        )
    for key, field in known.items():
        value = table.get(key, field.default)
        if not isinstance(value, str) or (not value.strip() and field.default != ""):
            raise SetupError("messages/{file}: {key} is required, as a quoted string.", file=name, key=key)
    return {key: nfc(value) for key, value in table.items()}


def _check(text: Text, name: str) -> None:
    if not _KEY.fullmatch(text.key) or f"{text.key}.toml" != name:
        raise SetupError(
            "messages/{file}: key must be the file name without .toml, in lower-case letters, "
            "digits and hyphens.",
            file=name,
        )
    if text.purpose not in PURPOSES:
        raise SetupError(
            "messages/{file}: purpose must be {known}, not {purpose}.",
            file=name,
            known=join(PURPOSES, " or "),
            purpose=text.purpose,
        )

"""Sources of settings: loa.toml, environment variables and secret files, and what is unknown in them."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, TomlConfigSettingsSource

from app.core.errors import SetupError, meant

_PREFIX = "LOA_"
# Variables that are not settings: arguments of commands, and variables of tests and rehearsals in a clone.
_COMMANDS = ("CONFIG", "SECRETS_DIR", "SERVER", "KEY", "KEY_FILE", "COPY_TO")
_REHEARSED = re.compile(r"LOA_(TEST|FUZZ|KILL|KILLS|BUDGET|AWAY|SOAK|DRILL|GUIDE)(_.*)?")
_SHOULD = re.compile(r"^(Input|String|Value|Tuple|List|Dictionary|Set|Number) should ")
_PATTERNS = {
    r"^[a-z0-9][a-z0-9_-]{0,39}$": "must be 1 to 40 lower-case letters, digits, - or _, such as viettel-1",
    r"^[A-Za-z0-9-]{1,80}$": "must be a header name: letters, digits and -",
    r"^https?://[^\s@]+$": "must be an address such as https://example.vn/loa, without user or password",
    r"^https?://[A-Za-z0-9.:-]{1,253}$": "must be an origin such as https://example.vn, without a path",
    r"^[^@\s<>,;\x00-\x1f]+@[^@\s<>,;\x00-\x1f]+$": "must be an e-mail address such as loa@example.vn",
    r"^[^:\s]{1,80}$": "must be 1 to 80 characters without colons or spaces",
}
_KINDS = {
    "missing": "is required",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text, in quotation marks",
    "tuple_type": 'must be a list, for example ["a", "b"] (a,b in an environment variable)',
    "dict_type": "must be a table as in loa.example.toml",
    "model_type": "must be a table as in loa.example.toml",
    "model_attributes_type": "must be a table as in loa.example.toml",
}


class Variables(EnvSettingsSource):
    """LOA_... variables. Lists may use commas; unreadable values are reported with all other faults."""

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
        """Decode JSON or a list with commas; otherwise return the text, which validation will reject."""
        try:
            found = super().decode_complex_value(field_name, field, value)
        except ValueError:
            found = value
        kind = str(getattr(field, "annotation", "")).lower()  # an unknown name comes without a field
        if "tuple[" in kind and not isinstance(found, list | dict):
            return [part.strip() for part in str(value).split(",") if part.strip()]
        return found


class SettingsFile(TomlConfigSettingsSource):
    """loa.toml in UTF-8, with or without a byte order mark."""

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        try:
            text = file_path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise SetupError(
                "Line {line} of the settings file {file_path} is not UTF-8. Save the file as UTF-8.",
                file_path=file_path,
                line=line,
            ) from None
        except OSError as error:
            why = error.strerror or "no reason given by the system"
            raise SetupError(
                "Cannot read the settings file {file_path} ({why}).", file_path=file_path, why=why
            ) from None
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SetupError(
                "The settings file {file_path} is not valid TOML: {error}.", file_path=file_path, error=error
            ) from None


def file() -> str:
    """Return the settings file: LOA_CONFIG, or loa.toml here; "" if LOA_CONFIG is empty."""
    return os.environ.get("LOA_CONFIG", "loa.toml")


def absent() -> Iterator[str]:
    """Yield variables that name a missing file or folder; settings would silently be ignored."""
    named = os.environ.get("LOA_CONFIG")
    if named and not Path(named).exists():
        yield f"LOA_CONFIG: the file {named} does not exist. Create it, or unset LOA_CONFIG."
    secrets = os.environ.get("LOA_SECRETS_DIR")
    if secrets and not Path(secrets).is_dir():
        yield f"LOA_SECRETS_DIR: the folder {secrets} does not exist. Create it, or unset LOA_SECRETS_DIR."


def strangers(settings: type[BaseSettings]) -> Iterator[str]:
    """Yield LOA_ variables and secret files that are not settings."""
    fields = [f"{_PREFIX}{name.upper()}" for name in settings.model_fields]
    known = [*fields, *(_PREFIX + name for name in _COMMANDS)]
    for name in sorted(os.environ):
        if name.upper().startswith(_PREFIX) and not _REHEARSED.fullmatch(name.upper()):
            yield from _stranger(name, known, "the variable")
    secrets = Path(os.environ.get("LOA_SECRETS_DIR") or "none")
    for name in sorted(each.name for each in secrets.iterdir()) if secrets.is_dir() else ():
        if name.upper().startswith(_PREFIX):
            yield from _stranger(name, fields, "the secret file")


def _stranger(name: str, settings: Iterable[str], what: str) -> Iterator[str]:
    head = name.upper().partition("__")[0]
    if head in settings:
        return
    near = meant(head, settings)
    remedy = f"Did you mean {near}?" if near else f"Unset or rename {what}."
    yield f"{name}: is not a setting of Loa. {remedy}"


def sentence(item: Mapping[str, Any], names: Iterable[str], of_links: Iterable[str]) -> str:
    """Convert a pydantic error to a sentence without the value.

    names: candidates for a misspelt setting; of_links: those that belong to a link.
    """
    place = ".".join(str(step) for step in item["loc"] if step != "[key]") or "settings"
    if item["type"] == "extra_forbidden":
        if place in of_links:
            return f"{place}: belongs to a link. Move it to the table of that link, [links.NAME]."
        near = meant(str(item["loc"][-1]), names)
        return f"{place}: is not a known setting. " + (f"Did you mean {near}?" if near else "Remove it.")
    said = _KINDS.get(item["type"]) or _PATTERNS.get(item.get("ctx", {}).get("pattern", ""))
    return f"{place}: {said or _SHOULD.sub('must ', item['msg'].removeprefix('Value error, '))}"

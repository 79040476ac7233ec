"""Sources of settings: loa.toml, environment variables and secret files, and what is unknown in them."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, SecretsSettingsSource, TomlConfigSettingsSource

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


class SecretFiles(SecretsSettingsSource):
    """Secret files. What can't be read is left out, and told by `unreadable` with all other faults."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        try:
            return super().get_field_value(field, field_name)
        except (OSError, UnicodeDecodeError):
            return None, field_name, False

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return None


# Files that loa.toml may name by a path that counts from its own folder.
_NAMED = ("letterheads", "signature_roots", "crest", "tls_certificate", "tls_key", "log_ca_file")
_NAMED_BY_LINKS = ("ca_file", "client_cert", "client_key")


def _from_folder(read: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what loa.toml says, with the files that it names relative to its own folder found from here."""
    links = read.get("links")
    tables = [link for link in links.values() if isinstance(link, dict)] if isinstance(links, dict) else []
    for table, names in ((read, _NAMED), *((table, _NAMED_BY_LINKS) for table in tables)):
        for name in names:
            if isinstance(table.get(name), str) and table[name]:
                table[name] = str(folder / table[name])
    return read


class SettingsFile(TomlConfigSettingsSource):
    """loa.toml in UTF-8, with or without a byte order mark; files named in it count from its folder."""

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
            return _from_folder(tomllib.loads(text), Path(file_path).parent)
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


def unreadable(settings: type[BaseSettings]) -> Iterator[str]:
    """Yield secret files that this account can't read, or whose content is not what their setting needs."""
    folder = Path(os.environ.get("LOA_SECRETS_DIR") or "none")
    if not folder.is_dir():
        return
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        yield f"LOA_SECRETS_DIR: this account cannot list the folder ({error.strerror}). {_OWNER}"
        return
    tables = {f"{_PREFIX}{name.upper()}" for name, field in settings.model_fields.items() if _is_table(field)}
    for file in files:
        if not file.name.upper().startswith(_PREFIX):
            continue
        try:
            text = file.read_text("utf-8")
        except OSError as error:
            yield f"{file.name}: this account cannot read the secret file ({error.strerror}). {_OWNER}"
        except UnicodeDecodeError:
            yield f"{file.name}: the secret file is not UTF-8 text. Write it again, as text."
        else:
            if file.name.upper() in tables and not _is_json(text):
                yield f"{file.name}: the secret file is not JSON, as a list or a table must be."


_OWNER = "Make Loa's account its owner, and the file's mode 0600."


def _is_table(field: Any) -> bool:
    kind = str(field.annotation).lower()
    return "dict[" in kind or "tuple[" in kind or "settings" in kind


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def strangers(settings: type[BaseSettings]) -> Iterator[str]:
    """Yield LOA_ variables and secret files that are not settings."""
    fields = [f"{_PREFIX}{name.upper()}" for name in settings.model_fields]
    known = [*fields, *(_PREFIX + name for name in _COMMANDS)]
    for name in sorted(os.environ):
        if name.upper().startswith(_PREFIX) and not _REHEARSED.fullmatch(name.upper()):
            yield from _stranger(name, known, "the variable")
    secrets = Path(os.environ.get("LOA_SECRETS_DIR") or "none")
    listed = secrets.is_dir() and os.access(secrets, os.R_OK)
    for name in sorted(each.name for each in secrets.iterdir()) if listed else ():
        if name.upper().startswith(_PREFIX):
            yield from _stranger(name, fields, "the secret file")


def _stranger(name: str, settings: Iterable[str], what: str) -> Iterator[str]:
    head = name.upper().partition("__")[0]
    if head in settings:
        return
    near = meant(head, settings)
    remedy = f"Did you mean {near}?" if near else f"Unset or rename {what}."
    yield f"{name}: is not a setting of Loa. {remedy}"


def sentence(item: Mapping[str, Any], names: Iterable[str], tables: Mapping[str, Sequence[str]]) -> str:
    """Convert a pydantic error to a sentence without the value.

    names: candidates for a misspelt setting; tables: where else a setting of each name belongs, "" for above
    all tables.
    """
    place = ".".join(str(step) for step in item["loc"] if step != "[key]") or "settings"
    if item["type"] == "extra_forbidden":
        return f"{place}: {_unknown(str(item['loc'][-1]), names, tables)}"
    said = _KINDS.get(item["type"]) or _PATTERNS.get(item.get("ctx", {}).get("pattern", ""))
    return f"{place}: {said or _SHOULD.sub('must ', item['msg'].removeprefix('Value error, '))}"


def _unknown(name: str, names: Iterable[str], tables: Mapping[str, Sequence[str]]) -> str:
    """Return what an unknown name may have been meant for: one beside it, or one of another table."""
    if name in tables:
        where = " or ".join(table or "the top of the file, above all tables" for table in tables[name])
        return f"belongs elsewhere. Move it to {where}."
    if near := meant(name, names):
        return f"is not a known setting. Did you mean {near}?"
    if near := meant(name, tables):
        where = " or ".join(table or "the top of the file" for table in tables[near])
        return f"is not a known setting. Did you mean {near}, which belongs to {where}?"
    return "is not a known setting. Remove it; docs/reference/settings.md has them all."

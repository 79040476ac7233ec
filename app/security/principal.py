"""The caller of an operation, independent of credentials, and the rules for callers' names."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from sqlalchemy import Connection, select

from app.core.errors import Conflict, Invalid
from app.core.masking import require_no_mobile
from app.database.models import api_keys, people
from app.security.roles import Role
from carriers.phrases import join

_NAME = re.compile(r"[^\W_][\w .,'@-]{0,79}")
AT_KEYBOARD = " (command line)"


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key or a person; `carrier` is set for an operator of one carrier.

    person: signed in by password, or at the command line. factor: False for a person without a second one.
    """

    name: str
    role: str
    carrier: str | None = None
    person: bool = False
    factor: bool = True


def base_name(name: str) -> str:
    """Return the account's name: `an` at the command line and `an` over the API are the same person."""
    return name.removesuffix(AT_KEYBOARD)


def at_keyboard(account: str) -> str:
    """Return how the audit names an operating system account that acts at the command line."""
    return account + AT_KEYBOARD


def check_role(role: str, carrier: str | None) -> None:
    """Raise Invalid for an unknown role, an operator without a carrier, or another role with one."""
    if role not in list(Role):
        raise Invalid(
            "Role “{role}” does not exist. Available roles: {known}.",
            role=role[:20],
            known=join(Role, ", "),
            field="role",
        )
    if (role == Role.OPERATOR) != (carrier is not None):
        raise Invalid("Operators need a carrier; other roles must not have one.", field="carrier")


def check_name(connection: Connection, name: str, kind: str) -> None:
    """Raise Invalid for a bad name, Conflict if a key or person ever had it: names are never reused."""
    if not _NAME.fullmatch(name) or name != name.strip():
        raise Invalid(
            "A name must start with a letter or digit and contain only letters, digits, spaces and . , ' @ -"
        )
    if not all(each.isascii() or unicodedata.name(each, "").startswith("LATIN") for each in name):
        raise Invalid(
            "A name can only contain Latin letters, because letters of other scripts "
            "look the same in the audit log."
        )
    require_no_mobile(name, "name")
    if kind == "key" and _folded(name) == "root":
        raise Invalid(
            "root is the name of the host's own account. Choose another name for this key.", field="name"
        )
    for table, what in ((api_keys, "key"), (people, "person")):
        # Compare with all of them, which are few: nobody may pass for another by case or blanks.
        for known in connection.execute(select(table.c.name)).scalars():
            if _folded(known) == _folded(name):
                raise Conflict(
                    "A {what} named {name} already exists. Choose another name for this {kind}.",
                    what=what,
                    name=known,
                    kind=kind,
                    field="name",
                )


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())

"""Operations as tests carry them out: by their name, as the account of a host does."""

from __future__ import annotations

from typing import Any

from app.accounts.keys import KeyBody
from app.api.bodies import filled
from app.core.config import Settings
from app.database.connection import Database
from app.operations import OPERATIONS
from app.runtime import api_app
from app.security.principal import Caller
from app.security.roles import Role

__all__ = ["OPERATIONS", "api_app", "carry_out", "new_key"]  # the application declares them


def carry_out(db: Database, name: str, who: str = "operator", /, **arguments: Any) -> Any:
    """Carry out an operation in a transaction of its own."""
    return OPERATIONS[name].run(db, Settings(), Caller(who, Role.ADMIN, person=True), **arguments)


def new_key(
    db: Database, name: str, role: Role = Role.ADMIN, carrier: str | None = None, who: str = "operator"
) -> str:
    """Create a key and return its secret."""
    body = filled(KeyBody, {"name": name, "role": role, "carrier": carrier})
    return str(carry_out(db, "add_key", who, body=body).key)

"""Operations as tests carry them out: by their name, as the account of a host does."""

from __future__ import annotations

from typing import Any

from app.api.bodies import filled
from app.core.config import Settings
from app.database.connection import Database
from app.operations import OPERATIONS
from app.runtime import api_app
from app.security.principal import Caller
from app.security.roles import Role

__all__ = ["OPERATIONS", "api_app", "carry_out", "new_key"]  # the application declares them


def carry_out(db: Database, name: str, who: str = "operator", /, **arguments: Any) -> Any:
    """Carry out an operation; arguments: its ids and filters, and its body or the fields of that."""
    operation = OPERATIONS[name]
    if operation.body and operation.body[0] not in arguments:
        own = {each.name for each in operation.parameters}
        fields = {each: arguments.pop(each) for each in list(arguments) if each not in own}
        arguments[operation.body[0]] = filled(operation.body[1], fields)
    return operation.run(db, Settings(), Caller(who, Role.ADMIN, person=True), **arguments)


def new_key(
    db: Database, name: str, role: Role = Role.ADMIN, carrier: str | None = None, who: str = "operator"
) -> str:
    """Create a key and return its secret."""
    return str(carry_out(db, "add_key", who, name=name, role=role, carrier=carrier).key)

"""Operations as tests carry them out: by their name, as the account of a host does."""

from __future__ import annotations

from typing import Any

from app.database.connection import Database
from app.operations import OPERATIONS
from app.security.principal import Caller
from app.security.roles import Role


def carry_out(db: Database, name: str, who: str = "operator", **arguments: Any) -> Any:
    """Carry out an operation whose module has been imported."""
    return OPERATIONS[name].run(db, Caller(who, Role.ADMIN, person=True), **arguments)

"""Operations: an act is one function, from which its route, the form of its page and its command are made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cached_property
from inspect import Parameter
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import BaseModel
from sqlalchemy import Connection

from app.core.config import Settings
from app.database.connection import Database
from app.security import audit, tenant_scope
from app.security.principal import Caller
from app.security.roles import PERMISSIONS, Role

Function = TypeVar("Function", bound=Callable[..., Any])
Keeps = Callable[[Any], Any]
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class ByName:
    """Marks an id in whose place a command takes the name as well, as this operation lists it."""

    operation: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """What an operation works with: one transaction of the database, the settings, and who asked for it.

    headers: of the HTTP response, such as Location and ETag; elsewhere nobody reads them.
    """

    connection: Connection
    db: Database
    settings: Settings
    who: Caller
    action: str
    headers: dict[str, str] = field(default_factory=dict)

    def note(self, subject: str, **detail: Any) -> None:
        """Write the act into the audit."""
        audit.note(self.connection, self.who.name, self.action, subject, **detail)

    def wake(self) -> None:
        """Wake the workers when this is committed."""
        self.db.wake(self.connection)


@dataclass(frozen=True)
class Operation:
    """An act with its doors.

    function: gets a Transaction, ids of the path, and at most one body; its docstring is the help of every
    door. command: noun and verb, "" for none or one that is written out. action: its name in the
    audit, if not the command's. columns: of the command's table. done: said after a change,
    with the arguments and the answer's fields in it, by the command and, translated, by the page. audit: what
    the audit's page says of it after the person's name. page: where its form leads, "" for no form. form: the
    address of that form, if it is not the path's. facts: what its command's JSON says beside the arguments.
    keeps: marks its endpoint for what may be stored under an Idempotency-Key (app/api/idempotent_route.py).
    """

    function: Callable[..., Any]
    method: str
    path: str
    roles: Collection[Role]
    tag: str
    command: str
    action: str
    columns: tuple[str, ...]
    done: str
    audit: str
    page: str
    form: str
    facts: Mapping[str, Any]
    status: int
    keeps: Keeps

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def reads(self) -> bool:
        return self.method == "GET"

    @property
    def help(self) -> str:
        return inspect.getdoc(self.function) or ""

    @cached_property
    def answer(self) -> Any:
        return self._hints["return"]

    @cached_property
    def parameters(self) -> Sequence[Parameter]:
        """The function's parameters behind the transaction, with their annotations; all are keywords."""
        own = list(inspect.signature(self.function).parameters.values())[1:]
        return [each.replace(annotation=self._hints[each.name], kind=Parameter.KEYWORD_ONLY) for each in own]

    @property
    def ids(self) -> Sequence[Parameter]:
        """The parameters that stand in its path."""
        return [each for each in self.parameters if f"{{{each.name}}}" in self.path]

    @property
    def filters(self) -> Sequence[Parameter]:
        """The parameters of its query."""
        return [each for each in self.parameters if each not in self.ids and not _model(each)]

    @cached_property
    def body(self) -> tuple[str, type[BaseModel]] | None:
        """The name and type of its body; None if it has none."""
        found = ((each.name, model) for each in self.parameters if (model := _model(each)))
        return next(found, None)

    def told(self, arguments: Mapping[str, Any], answer: Any) -> dict[str, Any]:
        """Return what `done` may name: the arguments, and the answer's fields."""
        fields = asdict(answer) if is_dataclass(answer) and not isinstance(answer, type) else {}
        return {**arguments, **fields}

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    def run(self, db: Database, settings: Settings, who: Caller, **arguments: Any) -> Any:
        """Carry it out in a transaction of its own."""
        work = self.work(db, settings, who, {}, **arguments)
        return db.read(work) if self.reads else db.write(work)

    def work(
        self,
        db: Database,
        settings: Settings,
        who: Caller,
        headers: dict[str, str],
        **arguments: Any,
    ) -> Callable[[Connection], Any]:
        """Return what is done within one transaction: the only way in, from whichever door.

        What is another carrier's is NotFound for an operator, whether it stands in a path or not.
        """

        def done(connection: Connection) -> Any:
            numbers = {name: value for name, value in arguments.items() if name in tenant_scope.RULES}
            tenant_scope.require(connection, who, **numbers)
            within = Transaction(connection, db, settings, who, self.action, headers)
            return self.function(within, **arguments)

        return done


OPERATIONS: dict[str, Operation] = {}


def operation(
    where: str,
    *,
    roles: Collection[Role],
    tag: str,
    command: str = "",
    action: str = "",
    columns: tuple[str, ...] = (),
    done: str = "",
    audit: str = "",
    page: str = "",
    form: str = "",
    facts: Mapping[str, Any] = _NOTHING,
    status: int | None = None,
    keeps: Keeps = lambda endpoint: endpoint,
) -> Callable[[Function], Function]:
    """Declare an operation; `where` is its method and path, as in "POST /v1/links/{link_id}/resume"."""
    method, path = where.split(" ")

    def declared(function: Function) -> Function:
        answers = get_type_hints(function)["return"] is not type(None)
        code = status or (200 if answers else 204)
        told = (action or command.replace(" ", "."), columns, done, audit)
        doors = (tag, command, *told, page, form or path.removeprefix("/v1"), facts, code, keeps)
        made = Operation(function, method, path, roles, *doors)
        OPERATIONS[made.name] = made
        PERMISSIONS[made.name] = frozenset(roles)
        return function

    return declared


def tagged(tag: str) -> list[Operation]:
    return [one for one in OPERATIONS.values() if one.tag == tag]


def _model(parameter: Parameter) -> type[BaseModel] | None:
    """Return the body's type, also of one that may be left out."""
    kinds = (parameter.annotation, *get_args(parameter.annotation))
    return next((each for each in kinds if inspect.isclass(each) and issubclass(each, BaseModel)), None)

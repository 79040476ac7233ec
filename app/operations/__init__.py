"""Operations: an act is one function, from which its route, the form of its page and its command are made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from inspect import Parameter
from types import ModuleType
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from pydantic import AwareDatetime, BaseModel, Field
from pydantic.fields import FieldInfo
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from app.api.bodies import Walled
from app.api.idempotency_store import PositionUnderKey
from app.core.carrier_check import check_filter
from app.core.config import Settings
from app.core.errors import CLASHED, UNSTORABLE, Conflict, Invalid
from app.database.connection import Database
from app.database.listing import ListRequest
from app.ledger.ledger import Ledger, ledger_for
from app.operations import carrier_wall
from app.security import audit, roles, tenant_scope
from app.security.principal import Caller
from app.security.roles import PERMISSIONS, Role
from app.security.tenant_scope import RULES

Function = TypeVar("Function", bound=Callable[..., Any])
Facts = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ByName:
    """Mark an id in place of which a command also takes the name that this operation lists."""

    operation: str


@dataclass(frozen=True, slots=True)
class Paging:
    """The part of a list that is asked for, and how many rows; an int is the API's cursor."""

    request: ListRequest | int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Download:
    """A file as an answer. name: under which a browser saves it, "" for one that it shows."""

    content: bytes
    name: str
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an operation works with: the database, the settings, and who asked for it.

    headers: of the HTTP response, such as Location and ETag; elsewhere nobody reads them. position: of an
    operation in slices, under its Idempotency-Key. progress: called with what is done, and of how many.
    if_match: of an operation with `versioned`, None for a request without; pages and commands have read it.
    at_host: by a command in this process.
    """

    db: Database
    settings: Settings
    who: Caller
    action: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    position: PositionUnderKey = field(default_factory=PositionUnderKey)
    progress: Callable[[int, int], None] = lambda *_: None
    if_match: str | None = "*"
    at_host: bool = False

    @property
    def ledger(self) -> Ledger:
        return ledger_for(self.db, self.settings.chunk_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction(Work):
    """One transaction, in which the whole operation is carried out."""

    connection: Connection

    def note(self, subject: str, **detail: Any) -> None:
        """Write the act into the audit."""
        audit.note(self.connection, self.who.name, self.action, subject, **detail)

    def wake(self) -> None:
        """Wake the workers when this is committed."""
        self.db.wake(self.connection)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One act: its function, and what its route, page form and command are made from.

    function: gets a Transaction, ids of the path, what the query has, and at most one body; its docstring is
    the help of every door. One that gets a Work has transactions of its own, because it takes long: it may
    be interrupted, and is safe to repeat. One that gets the Caller has nothing to do with a
    database. One that gets a Paging is a list and returns a ListPart.
    """

    function: Callable[..., Any]
    method: str
    path: str
    roles: Collection[Role]
    tag: str
    status: int
    command: str = ""  # noun and verb; "" for none or one that is written out
    arguments: Sequence[str] = ()  # fields of the body that the command takes without --NAME
    options: Mapping[str, str] = field(default_factory=dict)  # fields that the command calls otherwise
    table: str = ""  # the field of the body whose text the command reads from a CSV file
    columns: Sequence[str] = ()  # of the command's table
    done: str = ""  # said after a change, with the arguments and the answer's fields in it
    facts: Facts | None = None  # what the command's JSON says of these instead of all
    personal: bool = False  # at a host with accounts its account needs one whose role may do it
    action: str = ""  # its name in the audit, if not the command's
    audit: str = ""  # what the audit's page says of it after the person's name
    page: str = ""  # where its form leads, "" for no form
    form: str = ""  # the address of that form, if it is not the path's
    hidden: Sequence[str] = ()  # fields that a refused form does not repeat; passwords anyway
    flash: str = ""  # said by the page, if not `done`
    secret: Callable[[dict[str, Any]], str] | None = (
        None  # the sentence for who has lost the secret it answers
    )
    files: Mapping[str, Any] = field(default_factory=dict)  # OpenAPI's word on the Download that it answers
    versioned: bool = False  # it reads If-Match itself
    keyed: bool = True  # False: the body has what may not be stored, so there is no Idempotency-Key

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

    @property
    def writes(self) -> bool:
        """Whether it answers a file, which a command writes."""
        return self.answer is Download

    @cached_property
    def in_slices(self) -> bool:
        return next(iter(self._hints.values())) is Work

    @cached_property
    def is_apart(self) -> bool:
        """Return whether the operation needs no database."""
        return next(iter(self._hints.values())) is Caller

    @cached_property
    def parameters(self) -> Sequence[Parameter]:
        """The function's parameters behind the transaction, with their annotations; all are keywords."""
        own = list(inspect.signature(self.function).parameters.values())[1:]
        return [each.replace(annotation=self._hints[each.name], kind=Parameter.KEYWORD_ONLY) for each in own]

    @property
    def ids(self) -> Sequence[Parameter]:
        """Return the parameters in its path."""
        return [each for each in self.parameters if f"{{{each.name}}}" in self.path]

    @property
    def filters(self) -> Sequence[Parameter]:
        """Return the parameters of its query."""
        others = [each for each in self.parameters if each not in self.ids and not _model(each)]
        return [each for each in others if each.annotation is not Paging]

    @property
    def paging(self) -> str | None:
        """The name of the parameter that says which part of a list is asked for; None if it is no list."""
        return next((each.name for each in self.parameters if each.annotation is Paging), None)

    @property
    def lists(self) -> bool:
        fields = getattr(self.answer, "__dataclass_fields__", ())
        return self.paging is not None or (self.reads and "items" in fields)

    @cached_property
    def body(self) -> tuple[str, type[BaseModel]] | None:
        """The name and type of its body; None if it has none."""
        found = ((each.name, model) for each in self.parameters if (model := _model(each)))
        return next(found, None)

    def told(self, arguments: Mapping[str, Any], answer: Any) -> dict[str, Any]:
        """Return what `done` may name: the arguments, and the answer's fields."""
        found: Mapping[str, Any] = {}
        if is_dataclass(answer) and not isinstance(answer, type):
            found = {each.name: getattr(answer, each.name) for each in fields(answer)}
        return {**arguments, **(dict(answer) if isinstance(answer, BaseModel) else found)}

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    def run(self, db: Database, settings: Settings, who: Caller, **arguments: Any) -> Any:
        """Carry out the operation for this caller."""
        return self.carry_out(Work(db=db, settings=settings, who=who), **arguments)

    def carry_out(self, work: Work, /, **arguments: Any) -> Any:
        """Carry out the operation: the only way in, for every door. Ids of other carriers are NotFound.

        Names of other carriers are Forbidden, and one that is left out is the operator's own.
        """
        if self.is_apart:
            return self.carry_out_apart(work.who, **arguments)
        roles.require(work.who.role, self.name)
        numbers = {each.name: arguments[each.name] for each in self.ids if each.name in RULES}
        given = {each.name: getattr(work, each.name) for each in fields(work)} | {"action": self.action}
        if self.in_slices:
            work.db.read(tenant_scope.require, work.who, **numbers)
            return self.function(Work(**given), **self._own_only(work.who, arguments))

        def done(connection: Connection) -> Any:
            tenant_scope.require(connection, work.who, **numbers)
            own = self._own_only(work.who, arguments)
            return self.function(Transaction(connection=connection, **given), **own)

        try:
            answer = work.db.read(done) if self.reads else work.db.write(done)
        except IntegrityError:
            raise Conflict(CLASHED) from None
        except DataError:
            raise Invalid(UNSTORABLE) from None
        if self.paging and work.who.carrier is None:
            check_filter(
                work.settings, arguments.get("carrier"), answer.items, arguments[self.paging].request
            )
        return answer

    def carry_out_apart(self, who: Caller, /, **arguments: Any) -> Any:
        """Carry out an operation that needs no database."""
        roles.require(who.role, self.name)
        return self.function(who, **self._own_only(who, arguments))

    def _own_only(self, who: Caller, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return carrier_wall.own_only(who, self._walled, arguments)

    @cached_property
    def _walled(self) -> Sequence[str]:
        return carrier_wall.walled_parameters(self.parameters)


OPERATIONS: dict[str, Operation] = {}

# Filters of lists. Any text: a carrier that does not exist is told so by its name.
OfCarrier = Annotated[str | None, Walled, Field(description="only of this carrier", examples=["viettel"])]
Since = Annotated[
    AwareDatetime | None,
    Field(description="created then or later; with a time zone", examples=["2024-02-01T00:00:00+07:00"]),
]


def operation(
    where: str, *, roles: Collection[Role], command: str = "", status: int | None = None, **told: Any
) -> Callable[[Function], Function]:
    """Declare an operation; `where` is its method and path, as in "POST /v1/links/{link_id}/resume".

    Its module has the TAG under which the API's description has it, if it has no `tag`.
    """
    method, path = where.split(" ")

    def declared(function: Function) -> Function:
        answers = get_type_hints(function)["return"] is not type(None)
        told.setdefault("action", command.replace(" ", "."))
        told.setdefault("form", path.removeprefix("/v1"))
        told.setdefault("tag", function.__globals__["TAG"])
        code = status or (200 if answers else 204)
        where: dict[str, Any] = {"function": function, "method": method, "path": path}
        made = Operation(**where, roles=roles, command=command, status=code, **told)
        if made.name in PERMISSIONS or not roles:
            raise TypeError(f"{made.name}: an operation needs a unique name and at least one role")
        if Role.OPERATOR in roles:
            tenant_scope.require_walled(made.name, made.path)
            carrier_wall.require_walled(made.name, made.parameters)
        PERMISSIONS[made.name] = frozenset(roles)
        OPERATIONS[made.name] = made
        return function

    return declared


def declared_in(*modules: ModuleType) -> list[Operation]:
    """Return the operations that these modules declare, in order."""
    names = [each.__name__ for each in modules]
    return sorted(
        (each for each in OPERATIONS.values() if each.function.__module__ in names),
        key=lambda item: names.index(item.function.__module__),
    )


def described(annotation: Any) -> FieldInfo | None:
    """Return the description that an annotation carries, or None."""
    return next((each for each in get_args(annotation)[1:] if isinstance(each, FieldInfo)), None)


def undescribed(annotation: Any) -> Any:
    """Return the type of a parameter with its limits, without its description and its name in a query."""
    field = described(annotation)
    if field is None:
        return annotation
    kind, *marks = get_args(annotation)
    limits = (*field.metadata, *(each for each in marks if each is not field))
    return Annotated[kind, *limits] if limits else kind


def _model(parameter: Parameter) -> type[BaseModel] | None:
    """Return the body's type, also of one that may be left out."""
    kinds = (parameter.annotation, *get_args(parameter.annotation))
    return next((each for each in kinds if inspect.isclass(each) and issubclass(each, BaseModel)), None)

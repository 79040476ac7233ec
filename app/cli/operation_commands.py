"""The command line's door of operations: `loa NOUN VERB` from each one's signature, here or at --server."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo

from app.api.bodies import filled
from app.cli import common
from app.cli.common import open_db
from app.cli.output import Json, done, listing, say, whoami, whole
from app.cli.remote import at_server
from app.core.errors import no_such
from app.operations import OPERATIONS, ByName, Operation
from app.security.principal import Caller
from app.security.roles import Role

_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,39}")


def group(noun: str, words: str) -> typer.Typer:
    """Return the commands of this noun, whose operations have been declared."""
    app = typer.Typer(no_args_is_help=True, help=words)
    for operation in OPERATIONS.values():
        said, _, verb = operation.command.partition(" ")
        if said == noun:
            app.command(verb, help=operation.help)(_command(operation))
    return app


def _command(operation: Operation) -> Callable[..., None]:
    ids, fields = operation.ids, operation.body[1].model_fields if operation.body else {}

    def command(**arguments: Any) -> None:
        as_json = arguments.pop("as_json", False)
        numbers = {name: _number(arguments.pop(name), kind) for name, kind in ids.items()}
        given = {name: value for name, value in arguments.items() if value is not None}
        _tell(operation, _carried_out(operation, numbers, given), numbers | given, as_json)

    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(n, kind, annotation=_argument(n, k)) for n, k in ids.items()]
    parameters += [_option(name, field) for name, field in fields.items()]
    if operation.reads:
        parameters.append(inspect.Parameter("as_json", kind, annotation=Json, default=False))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _carried_out(operation: Operation, numbers: Mapping[str, Any], fields: Mapping[str, Any]) -> Any:
    """Run it at the server of --server, or here as the account of this host, which may do everything."""
    if common.server is not None:
        return at_server(lambda api: getattr(api, operation.name)(*numbers.values(), **fields))
    body = {operation.body[0]: filled(operation.body[1], fields)} if operation.body else {}
    with open_db(looks=operation.reads) as (db, _settings):
        return operation.run(db, Caller(whoami(), Role.ADMIN, person=True), **numbers, **body)


def _number(typed: str | int, kind: Any) -> int:
    """Return the id that was typed, or the one of this name."""
    if isinstance(typed, int):
        return typed
    lists = next(each.operation for each in _marks(kind) if isinstance(each, ByName))
    for record in _carried_out(OPERATIONS[lists], {}, {}):
        if record.name == typed:
            return int(record.id)
    raise no_such(lists.removeprefix("list_").removesuffix("s"), typed)


def _argument(name: str, kind: Any) -> Any:
    noun = name.removesuffix("_id").replace("_", " ")
    if any(isinstance(each, ByName) for each in _marks(kind)):
        words = f"The {noun}'s name, or its number."
        return Annotated[Any, typer.Argument(parser=_named, metavar=noun.upper(), help=words)]
    return Annotated[int, typer.Argument(parser=whole, metavar="NUMBER", help=f"Of the {noun}.")]


def _marks(kind: Any) -> Sequence[Any]:
    return get_args(kind)[1:]


def _named(typed: str) -> str | int:
    return typed if _NAME.fullmatch(typed) and not typed.isdecimal() else whole(typed)


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    examples = [str(each) for each in field.examples or ()]
    words = field.description or (f"As in: {examples[0]}" if examples else "")
    default: Any = inspect.Parameter.empty if field.is_required() else None
    kind = str if field.is_required() else str | None
    annotation = Annotated[kind, typer.Option(f"--{name.replace('_', '-')}", help=words)]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _tell(operation: Operation, answer: Any, arguments: Mapping[str, Any], as_json: bool) -> None:
    if not operation.reads:
        facts = asdict(answer) if is_dataclass(answer) and not isinstance(answer, type) else {}
        done(operation.done.format(**arguments, **facts), **arguments, **facts)
    elif isinstance(answer, list):
        listing(answer, operation.columns, as_json)
    else:
        say(answer, as_json)

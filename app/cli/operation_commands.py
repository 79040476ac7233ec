"""The command line's door of operations: `loa NOUN VERB` from each one's signature, here or at --server."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo

from app.api.bodies import checked, filled
from app.cli import common
from app.cli.common import open_db
from app.cli.output import Json, done, listing, say, whoami, whole
from app.cli.remote import at_server
from app.core.errors import no_such
from app.operations import OPERATIONS, ByName, Operation
from app.security.principal import Caller
from app.security.roles import Role

_AS_IT_IS: Mapping[str, Any] = {}
_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,39}")


def add_operations(app: typer.Typer, noun: str) -> None:
    """Add the commands of this noun's operations, which have been declared."""
    for operation in OPERATIONS.values():
        said, _, verb = operation.command.partition(" ")
        if said == noun:
            app.command(verb, help=operation.help)(_command(operation))


def _command(operation: Operation) -> Callable[..., None]:
    fields = operation.body[1].model_fields if operation.body else {}

    def command(**arguments: Any) -> None:
        as_json = arguments.pop("as_json", False)
        ids = {each.name: _id(arguments.pop(each.name), each.annotation) for each in operation.ids}
        options = {name: value for name, value in arguments.items() if value is not None}
        _tell(operation, carried_out(operation.name, ids, **options), ids | options, as_json)

    parameters = [
        *(each.replace(annotation=_argument(operation, each)) for each in operation.ids),
        *(_option(each.name, each.annotation, each.default) for each in operation.filters),
        *(
            _option(name, field, Parameter.empty if field.is_required() else None)
            for name, field in fields.items()
        ),
    ]
    if operation.reads:
        parameters.append(Parameter("as_json", Parameter.KEYWORD_ONLY, annotation=Json, default=False))
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return command


def carried_out(
    name: str, ids: Mapping[str, Any], /, *, opens: Mapping[str, Any] = _AS_IT_IS, **options: Any
) -> Any:
    """Run it at the server of --server, or here as the account of this host, which may do everything.

    options: what its body and query have; opens: how the database here is opened.
    """
    operation = OPERATIONS[name]
    if common.server is not None:
        return at_server(lambda api: getattr(api, operation.name)(*ids.values(), **options))
    filters = {
        each.name: checked(each.annotation, each.name, options.get(each.name, each.default))
        for each in operation.filters
    }
    body = {operation.body[0]: filled(operation.body[1], options)} if operation.body else {}
    with open_db(looks=operation.reads, **opens) as (db, settings):
        who = Caller(whoami(), Role.ADMIN, person=True)
        return operation.run(db, settings, who, **ids, **filters, **body)


def _id(typed: str | int, kind: Any) -> str | int:
    """Return what was typed, or the id of this name."""
    lists = next((each.operation for each in _marks(kind) if isinstance(each, ByName)), None)
    if lists is None or isinstance(typed, int):
        return typed
    for record in carried_out(lists, {}):
        if record.name == typed:
            return int(record.id)
    raise no_such(lists.removeprefix("list_").removesuffix("s"), typed)


def _argument(operation: Operation, parameter: Parameter) -> Any:
    noun = parameter.name.removesuffix("_id").replace("_", " ")
    if parameter.name == noun:  # a name
        return Annotated[str, typer.Argument(help=f"The {operation.command.split()[0]}'s {noun}.")]
    if any(isinstance(each, ByName) for each in _marks(parameter.annotation)):
        words = f"The {noun}'s name, or its number."
        return Annotated[Any, typer.Argument(parser=_named, metavar=noun.upper(), help=words)]
    return Annotated[int, typer.Argument(parser=whole, metavar="NUMBER", help=f"Of the {noun}.")]


def _marks(kind: Any) -> Sequence[Any]:
    return get_args(kind)[1:]


def _named(typed: str) -> str | int:
    return typed if _NAME.fullmatch(typed) and not typed.isdecimal() else whole(typed)


def _option(name: str, kind: Any, default: Any) -> Parameter:
    """Return an option that takes text, which the rules of the body or the query then read."""
    about = kind if isinstance(kind, FieldInfo) else next(iter(_marks(kind)), None)
    examples = [str(each) for each in getattr(about, "examples", None) or ()]
    words = getattr(about, "description", None) or (f"As in: {examples[0]}" if examples else "")
    text = str if default is Parameter.empty else str | None
    shown = None if default in (None, Parameter.empty) else str(default)
    option = typer.Option(f"--{name.replace('_', '-')}", help=words)
    annotation = Annotated[text, option]  # type: ignore[valid-type]
    return Parameter(
        name,
        Parameter.KEYWORD_ONLY,
        default=default if default is Parameter.empty else shown,
        annotation=annotation,
    )


def _tell(operation: Operation, answer: Any, arguments: Mapping[str, Any], as_json: bool) -> None:
    if not operation.reads:
        told = operation.told(arguments, answer)
        done(operation.done.format(**told), **told, **operation.facts)
    elif isinstance(answer, list):
        listing(answer, operation.columns, as_json)
    else:
        say(answer, as_json)

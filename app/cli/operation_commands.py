"""The command line's door of operations: `loa NOUN VERB` from each one's signature, here or at --server."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, StrEnum
from inspect import Parameter, Signature
from itertools import islice
from mimetypes import guess_extension
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from app.api.bodies import checked, filled
from app.cli import common
from app.cli.common import decider, open_db
from app.cli.files import readable, replace_whole, table_of
from app.cli.output import After, Json, Most, cell, done, listing, say, whoami, whole
from app.cli.remote import at_server
from app.core.errors import no_such
from app.file_import.cells import csv_pieces, safe
from app.operations import (
    OPERATIONS,
    ByName,
    Download,
    Operation,
    Paging,
    Work,
    declared_in,
    described,
    undescribed,
)
from app.security.principal import Caller
from app.security.roles import Role


class Form(StrEnum):
    """How a list is told."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


Out = Annotated[Path, typer.Option(help="The file to write.")]
Table = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        callback=readable,
        help="CSV in UTF-8 with the field names in the first line.",
    ),
]
Act = Callable[..., Any]
Output = Annotated[Form, typer.Option(help="Output format; --json is the same as json.")]
_AS_IT_IS: Mapping[str, Any] = {}
_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,39}")
_MOST = 1000  # of a list, unless --limit says more; and of one answer of a server


def add_operations(app: typer.Typer, noun: str, *modules: ModuleType) -> None:
    """Add the commands of this noun's operations, which these modules declare."""
    for operation in declared_in(*modules):
        said, _, verb = operation.command.partition(" ")
        if said == noun:
            epilog = f"Example: {example(operation)}"
            app.command(verb, help=operation.help, epilog=epilog)(_command(operation))


def _command(operation: Operation) -> Callable[..., None]:
    fields = operation.body[1].model_fields if operation.body else {}

    def command(**arguments: Any) -> None:
        as_json, output = arguments.pop("as_json", False), arguments.pop("output", Form.TABLE)
        out = arguments.pop("out", None)
        ids = {each.name: _id(arguments.pop(each.name), each.annotation) for each in operation.ids}
        options = {name: value for name, value in arguments.items() if value is not None or name in empty}
        read = {name: _table(options.pop(name), fields[name]) for name in fields if name == operation.table}
        answer = carried_out(operation.function, ids, **options, **read)
        if operation.writes:
            written(out, answer)
        else:
            tell(operation, answer, ids | options, Form.JSON if as_json else output)

    typed = [*operation.arguments, *(name for name in fields if name not in operation.arguments)]
    empty = [name for name in fields if fields[name].is_required() and _may_be_none(fields[name])]
    parameters = [
        *(each.replace(annotation=_argument(operation, each)) for each in operation.ids),
        *(_option(operation, each.name, each.annotation, False, each.default) for each in operation.filters),
        *(_option(operation, name, fields[name], fields[name].is_required()) for name in typed),
    ]
    if operation.paging:
        parameters.append(Parameter("after", Parameter.KEYWORD_ONLY, annotation=After, default=0))
        parameters.append(Parameter("limit", Parameter.KEYWORD_ONLY, annotation=Most, default=_MOST))
    if operation.columns:
        parameters.append(Parameter("output", Parameter.KEYWORD_ONLY, annotation=Output, default=Form.TABLE))
    if operation.writes:
        parameters.append(Parameter("out", Parameter.KEYWORD_ONLY, annotation=Out))
    elif operation.reads:
        parameters.append(Parameter("as_json", Parameter.KEYWORD_ONLY, annotation=Json, default=False))
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return command


def _table(path: Path, field: FieldInfo) -> str:
    """Return the table in a file; raises Invalid at either door alike for one that is too small or large."""
    return str(checked(field.rebuild_annotation(), "table", table_of(path)))


def written(out: Path, content: bytes) -> None:
    replace_whole(out, content)
    done(f"Wrote {out} ({len(content)} bytes).", file=out, bytes=len(content))


def carried_out(
    act: Act,
    ids: Mapping[str, Any],
    /,
    *,
    opens: Any = _AS_IT_IS,
    if_match: Any = "*",
    **options: Any,
) -> Any:
    """Run an operation, by its function, at the server of --server, or here as the account of this host.

    options: what its body and query have, and of a list `after` and `limit`; opens: how the database here is
    opened; if_match: the version that was read, of an operation with `versioned`.
    """
    name, operation = act.__name__, OPERATIONS[act.__name__]
    limit = options.pop("limit", _MOST)
    if operation.lists:
        options["limit"] = min(limit, _MOST)
    if common.server is not None:
        sent = {_alias(operation, key): value for key, value in options.items()}
        if operation.lists:
            return at_server(lambda api: list(islice(getattr(api, name)(*ids.values(), **sent), limit)))
        sent |= {"if_match": if_match} if operation.versioned else {}
        answer = at_server(lambda api: getattr(api, name)(*ids.values(), **sent))
        return answer.encode() if operation.writes and isinstance(answer, str) else answer
    arguments = {
        each.name: checked(undescribed(each.annotation), each.name, options.get(each.name, each.default))
        for each in operation.filters
    }
    if operation.body:
        fields = operation.body[1].model_fields
        arguments[operation.body[0]] = filled(
            operation.body[1], {field: options[field] for field in fields if field in options}
        )
    if operation.paging:
        arguments[operation.paging] = Paging(options.get("after", 0), limit)
    if operation.is_apart:
        return operation.function(Caller(whoami(), Role.ADMIN, person=True), **ids, **arguments)
    with open_db(looks=operation.reads, **opens) as (db, settings):
        who = db.read(decider, name) if operation.personal else Caller(whoami(), Role.ADMIN, person=True)
        work = Work(db=db, settings=settings, who=who, progress=_progress, if_match=if_match, at_host=True)
        answer = operation.carry_out(work, **ids, **arguments)
    if isinstance(answer, Download):
        return answer.content if operation.writes else answer.content.decode()
    return answer.items if operation.lists else answer


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():  # one line that counts; in a pipe nothing, since the answer says the sum
        ended = "\n" if done >= total else ""
        print(f"\r{done:,} of {total:,}\033[K", end=ended, file=sys.stderr, flush=True)


def _id(typed: str | int, kind: Any) -> str | int:
    """Return what was typed, or the id of this name."""
    lists = next((each.operation for each in _marks(kind) if isinstance(each, ByName)), None)
    if lists is None or isinstance(typed, int):
        return typed
    for record in carried_out(OPERATIONS[lists].function, {}):
        if record.name == typed:
            return int(record.id)
    raise no_such(lists.removeprefix("list_").removesuffix("s"), typed)


def _argument(operation: Operation, parameter: Parameter) -> Any:
    noun = parameter.name.removesuffix("_id").replace("_", " ")
    if parameter.name == noun:  # a name
        return Annotated[
            str, typer.Argument(help=f"The {operation.command.split()[0].replace('-', ' ')}'s {noun}.")
        ]
    if any(isinstance(each, ByName) for each in _marks(parameter.annotation)):
        words = f"The {noun}'s name, or its number."
        return Annotated[Any, typer.Argument(parser=_named, metavar=noun.upper(), help=words)]
    return Annotated[int, typer.Argument(parser=whole, metavar="NUMBER", help=f"Number of the {noun}.")]


def _marks(kind: Any) -> tuple[Any, ...]:
    return get_args(kind)[1:]


def _named(typed: str) -> str | int:
    return typed if _NAME.fullmatch(typed) and not typed.isdecimal() else whole(typed)


def _option(operation: Operation, name: str, kind: Any, is_required: bool, default: Any = None) -> Parameter:
    """Return an option or argument that takes text, which the rules of the body or the query then read."""
    if name == operation.table:
        return Parameter(name, Parameter.KEYWORD_ONLY, annotation=Table)
    field = kind if isinstance(kind, FieldInfo) else described(kind)
    examples = [str(each) for each in (field and field.examples) or () if each is not None]
    words = (field and field.description) or (f"Example: {examples[0]}" if examples else "")
    words = words[:1].upper() + words[1:].rstrip(".") + ("." if words else "")
    more: dict[str, Any] = {"parser": whole, "metavar": "NUMBER"} if name.endswith("_id") else {}
    typed: Any = typer.Argument(help=words, **more)
    if name not in operation.arguments:
        typed = typer.Option(f"--{_called(operation, name)}", help=words, **more)
    is_required = is_required and not _may_be_none(kind)
    text = next(filter(None, map(_kind, _leaves(kind))), str)
    own = Parameter.empty if is_required else default
    text = text if is_required or text is bool else text | None
    return Parameter(name, Parameter.KEYWORD_ONLY, default=own, annotation=Annotated[text, typed])


def _kind(kind: Any) -> Any:
    """Return what the command line itself reads: flags, whole numbers, choices."""
    if kind in (bool, int):
        return kind
    return kind if isinstance(kind, type) and issubclass(kind, Enum) else None


def _leaves(kind: Any) -> Iterator[Any]:
    """Yield the types that an annotation is put together from."""
    kind = getattr(kind, "annotation", kind)
    within = get_args(kind)[:1] if get_origin(kind) is Annotated else get_args(kind)
    yield from (leaf for each in within for leaf in _leaves(each)) if within else (kind,)


def _may_be_none(field: Any) -> bool:
    return type(None) in get_args(getattr(field, "annotation", None))


def _called(operation: Operation, name: str) -> str:
    return str(operation.options.get(name, _alias(operation, name))).replace("_", "-")


def _alias(operation: Operation, name: str) -> str:
    """Return what the query calls this parameter."""
    fields = (described(each.annotation) for each in operation.filters if each.name == name)
    return next((field.alias for field in fields if field and field.alias), name)


def example(operation: Operation) -> str:
    """Return the command with all that it needs, as somebody types it."""
    fields = operation.body[1].model_fields if operation.body else {}
    words = [operation.command]
    for each in operation.ids:
        field = described(each.annotation)
        words.append(str(field.examples[0]) if field and field.examples else "1")
    for name, field in fields.items():
        if name == operation.table:
            words.append("list.csv")
        elif name in operation.arguments or field.is_required():
            words += [] if name in operation.arguments else [f"--{_called(operation, name)}"]
            words.append(str((field.examples or [name])[0]))
    if operation.writes:
        ending = guess_extension(next(iter(operation.files["content"])))
        words += ["--out", f"{operation.command.split()[-1]}{ending}"]
    return " ".join(["loa", words[0], *map(shlex.quote, words[1:])])


def tell(operation: Operation, answer: Any, arguments: Mapping[str, Any], form: Form = Form.TABLE) -> None:
    """Tell what an operation has found or done."""
    if operation.paging or isinstance(answer, list):
        if form is Form.CSV:
            values = ([getattr(each, column) for column in operation.columns] for each in answer)
            rows = (["" if value is None else safe(cell(value)) for value in row] for row in values)
            typer.echo("".join(csv_pieces(operation.columns, rows)), nl=False)
            return
        listing(answer, operation.columns, form is Form.JSON)
    elif operation.reads:
        say(answer, form is Form.JSON)
    else:
        told = operation.told(arguments, answer)
        short = {name.removesuffix("_id"): value for name, value in arguments.items()}
        facts = {**short, **operation.told({}, answer)} if operation.facts is None else operation.facts(told)
        done(operation.done.format(**told), **facts)

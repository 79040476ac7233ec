"""The page of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer

from app.cli import app
from tests.reference.tables import sentence, table

_HEAD = """# Command line

`loa NOUN VERB`. Every command has `--help`, and `--json` where it lists, shows or changes something: answers
and errors are JSON then. Exit status 0: done; 1: refused, with one sentence that says why; 2: typed wrongly.

"""


def page() -> str:
    """the commands of app/cli."""
    root = typer.main.get_command(app)
    parts = [_HEAD, _options(root)]
    for words, command in _walk("loa", root):
        level = "##" if words.count(" ") == 1 else "###"
        parts.append(f"{level} {words}\n{sentence(_help(command))}\n\n")
        if not getattr(command, "commands", None):
            parts.append(f"    {_usage(words, command)}\n\n{_options(command)}")
    return "".join(parts).rstrip() + "\n"


def _walk(words: str, group: Any) -> Iterator[tuple[str, Any]]:
    for name in sorted(group.commands):
        command = group.commands[name]
        yield f"{words} {name}", command
        if getattr(command, "commands", None):
            yield from _walk(f"{words} {name}", command)


def _help(command: Any) -> str:
    return str(command.help or "").partition("\f")[0]


def _usage(words: str, command: Any) -> str:
    needed = [each for each in command.params if each.required]
    arguments = [each.name.upper() for each in needed if each.param_type_name == "argument"]
    options = [f"{each.opts[-1]} ..." for each in needed if each.param_type_name == "option"]
    return " ".join([words, *arguments, *options])


def _options(command: Any) -> str:
    rows = [
        (f"`{_name(each)}`", sentence(each.help), f"`{default}`" if (default := _default(each)) else "")
        for each in command.params
        if each.help and not {"--help", "--json", "--install-completion", "--show-completion"} & {*each.opts}
    ]
    return table(("Parameter", "Meaning", "Default"), rows) if rows else ""


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return " / ".join([*parameter.opts, *parameter.secondary_opts])


def _default(parameter: Any) -> str:
    match parameter.default:
        case None | False | () | []:
            return ""
        case Enum() as each:
            return str(each.value)
        case value if callable(value):
            return ""
        case value:
            return str(value)

"""Finds a command's module when it is asked for: `loa worker` does not wait for what the others need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperGroup

from app.errors import SetupError

# Commands that are one function of a module, and modules that are a noun with verbs.
_VERBS = {"up": "serve", "serve": "serve", "worker": "serve", "migrate": "serve"}
_VERBS |= {"verify": "verify", "doctor": "doctor", "demo": "demo", "drill": "drill", "soak": "soak"}
_NOUNS = (
    "audit",
    "addressee",
    "batch",
    "campaign",
    "carrier",
    "compare",
    "database",
    "directive",
    "do-not-send",
    "inbound",
    "key",
    "lane",
    "receipts",
    "report",
    "retention",
    "run",
    "simulate",
    "statement",
    "unknown",
    "user",
)
# Rehearsals, which nobody needs where real messages go: the image leaves them out (.dockerignore).
_REHEARSALS = ("demo", "drill", "simulate", "soak")


class _Found(Mapping[str, Any]):
    """The commands by name, each imported at its first use."""

    def __getitem__(self, name: str) -> Any:
        if not _is_here(name):
            return _left_out(name)
        if name in _VERBS:
            return _verb(name)
        if name in _NOUNS:
            return _noun(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        yield from filter(_is_here, (*_VERBS, *_NOUNS))

    def __len__(self) -> int:
        return len(list(iter(self)))


class Commands(TyperGroup):
    """`loa` itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands: Any = _Found()


def _is_here(name: str) -> bool:
    """Whether this installation has the command, if it is one that may be left out."""
    return name not in _REHEARSALS or find_spec(f"app.cli.{name}") is not None


def _left_out(name: str) -> Any:
    """Says where the command is to be had, whatever was asked of it."""

    def nothing() -> None:
        raise SetupError(
            f"This installation has no `loa {name}`: rehearsals stay out of the image. Run it from a clone "
            "(`make setup`, then `.venv/bin/loa`), apart from what sends real messages."
        )

    one = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    one.command(name, add_help_option=False, context_settings=anything)(nothing)
    return typer.main.get_command(one)


def _verb(name: str) -> Any:
    one = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    one.command(name)(getattr(_module(_VERBS[name]), name))
    return typer.main.get_command(one)


def _noun(name: str) -> Any:
    group = typer.main.get_group(_module(name).app)
    group.name = name
    return group


def _module(name: str) -> Any:
    return import_module(f"app.cli.{name.replace('-', '_')}")

"""The list of all commands, with each one's module and help: a noun has a file here, or operations alone.

A module is imported on use, so that `loa worker` does not load what other commands need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, wraps
from importlib import import_module
from keyword import iskeyword
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_WrongUse: Any = typer.BadParameter.__base__  # whatever is typed wrong

# Command -> module (a function of a module, or a module with verbs) and the help of `loa --help`, which thus
# needs no import; a test compares it with the command's own help.
_VERBS = {
    "up": (
        "serve",
        ("Run everything in one process: API, links and receipts. Use it with SQLite or on a single host."),
    ),
    "serve": ("serve", "Run only the API; workers run separately and share the PostgreSQL database."),
    "worker": (
        "serve",
        "Run only links, receipts and sweeps; several hosts can do so on one PostgreSQL database.",
    ),
    "migrate": ("serve", "Upgrade the database schema."),
    "verify": ("verify", "Recount every figure from the rows. Exit status 1 if anything differs."),
    "doctor": (
        "doctor",
        "Check settings, disk, database, schema, clocks, audit and links. Sends nothing.",
    ),
    "try": (
        "try",
        "Explore Loa with sample campaigns of a province and four users to sign in as.",
    ),
    "demo": ("demo", "Send one campaign through simulated carriers, from file to verified report."),
}
_NOUNS = {
    "audit": "The record of what users did: append-only, each act chained to the previous one.",
    "addressee": "Addressees of a directive and their reports.",
    "batch": "Batches: subscribers of one carrier, from one file.",
    "budget": "Budgets: what has been spent, and requests for a new budget.",
    "campaign": "Campaigns: one text, one sender, one window.",
    "carrier": "Links to carriers: check and test them.",
    "clock": "The clock, after it leapt ahead.",
    "database": "The database: backup, restore, move.",
    "delivery": "Deliveries: what one person received.",
    "directive": "The official letters that the work is based on.",
    "do-not-send": "Numbers that a carrier's runs exclude.",
    "inbound": "Incoming messages from subscribers.",
    "key": "API keys: shown once, kept as hashes.",
    "link": "Links to carriers: which are sending, which are halted, and why.",
    "order": "Signed orders to carriers that send to their own subscribers.",
    "panel": "Test telephones that show whether a campaign's text has arrived.",
    "privacy": "Data held about one person, and their requests.",
    "receipts": "Import a carrier's result file and reconcile it with receipts.",
    "report": "Result reports.",
    "result": "Results that carriers have signed.",
    "retention": "Erasure of expired data, with certificates.",
    "run": "Runs: a campaign's share at one carrier.",
    "sender-name": "The register of sender names and templates at the carriers.",
    "signing-key": "Keys that sign orders and results: register, approve, revoke.",
    "simulate": "Run a simulated carrier for tests.",
    "statement": "Figures stated by carriers or entered by hand.",
    "text": "Prepared texts, and what a text costs.",
    "unknown": "Unknown deliveries: list, export or write off.",
    "user": "Users who sign in with a password and a second factor.",
}
# Nouns without a file in app/cli -> the modules that declare their operations.
_DECLARED = {
    "clock": ("app.privacy.clock_confirmation",),
    "link": ("app.dispatch.links",),
    "panel": (
        "app.telephone_panel.register",
        "app.telephone_panel.answers",
        "app.reports.counting.panel_judgements",
    ),
}

# What pydantic says of a wrong value, and what we say.
_RAW = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "must be a whole number",
    "Input should be a valid number, unable to parse string as a number": "must be a number",
    "Input should be": "must be",
}
# Commands of this host alone, refused under --server; open_db refuses the others that ask no server.
_HERE = (*_VERBS, "carrier", "database", "simulate")
# Commands that talk in turns with a person, or write their lines as they come.
_NO_JSON = {("audit", "export"), ("batch", "bad-lines"), ("database", "restored"), ("user", "totp")}


class _Found(Mapping[str, Any]):
    """Commands by name, each imported and built at its first use; `in` and `get` ask for it as well."""

    def __getitem__(self, name: str) -> Any:
        if name in _VERBS:
            return _verb(name)
        if name in _NOUNS:
            return _noun(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        yield from (*_VERBS, *_NOUNS)

    def __len__(self) -> int:
        return len(list(iter(self)))


class Commands(TyperGroup):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands: Any = _Found()

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what is said of wrong use is in plain words, and numbers in it are masked."""
        try:
            return super().invoke(ctx)
        except _WrongUse as error:
            from app.core.masking import mask_numbers  # reads the ranges of numbers, which takes 20 ms

            error.message = mask_numbers(_plain(error.message))
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands without importing any."""
        self.commands = {name: TyperCommand(name, help=_help(name)) for name in self.commands}
        super().format_help(ctx, formatter)


def _plain(message: str) -> str:
    for raw, words in _RAW.items():
        message = message.replace(raw, words)
    return message


def _help(name: str) -> str:
    return _NOUNS[name] if name in _NOUNS else _VERBS[name][1]


@cache
def _verb(name: str) -> Any:
    one = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    one.command(name)(getattr(import_module(_module_of(name)), f"{name}_" if iskeyword(name) else name))
    command = _on_this_host(typer.main.get_command(one))
    return _with_json(command) if name == "migrate" else command


@cache
def _noun(name: str) -> Any:
    if name in _DECLARED:
        from app.cli.operation_commands import add_operations

        app = typer.Typer(no_args_is_help=True, help=_NOUNS[name])
        add_operations(app, name, *map(import_module, _DECLARED[name]))
    else:
        app = import_module(_module_of(name)).app
    group = typer.main.get_group(app)
    group.name = name
    for verb, command in group.commands.items():
        if name not in ("report", "simulate") and (name, verb) not in _NO_JSON:
            _with_json(command)
        if name in _HERE:
            _on_this_host(command)
    return group


def _on_this_host(command: Any) -> Any:
    """Refuse the command under --server, before it does anything here."""
    act = command.callback

    @wraps(act)
    def checked(*args: Any, **kwargs: Any) -> Any:
        from app.cli.common import refuse_server  # imports what `loa --help` does not need

        refuse_server()
        return act(*args, **kwargs)

    command.callback = checked
    return command


def _with_json(command: Any) -> Any:
    """Add --json to a command that has none of its own; app/cli/output.py's `done` obeys it."""
    if not any("--json" in each.opts for each in command.params):
        from app.cli.output import tells  # imports what `loa --help` does not need

        one = typer.Typer(add_completion=False)
        one.command()(tells)
        wanted = typer.main.get_command(one).params[0]
        wanted.expose_value = False  # it is for `done` alone
        command.params.append(wanted)
    return command


def _module_of(name: str) -> str:
    """Return the module of a noun (`x_commands`) or a verb (`x_command`)."""
    if name in _VERBS:
        return f"app.cli.{_VERBS[name][0]}_command"
    return f"app.cli.{name.replace('-', '_')}_commands"

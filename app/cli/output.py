"""Input and output of commands: tables or JSON, progress, timestamps, and the user's name."""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import to_json, to_jsonable_python

from app.core import clock, ids
from app.core.errors import Invalid
from app.core.masking import escaped
from app.security.principal import at_keyboard

Show = Callable[[str, int], None]
_PATIENCE_S = 2.0  # for a command that says nothing meanwhile


@contextmanager
def bar(total: int, *, quiet: bool) -> Iterator[Show]:
    """Show a progress bar on stderr, removed at the end: show(words, done of `total`)."""
    from rich.console import Console  # slow to import, and only imports need it
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=quiet) as shown:
        task = shown.add_task("importing", total=max(total, 1))

        def show(words: str, done: int) -> None:
            shown.update(task, completed=done, description=words)

        yield show


@contextmanager
def elapsed(words: str) -> Iterator[None]:
    """Say on a terminal what is being done and for how long, from the second second on; nothing in a pipe."""
    over = threading.Event()

    def tell() -> None:
        began, pause = clock.monotonic(), _PATIENCE_S
        while not over.wait(pause):
            pause = 0.5
            print(f"\r{words}: {clock.monotonic() - began:.0f} s \033[K", end="", file=sys.stderr, flush=True)
        if pause != _PATIENCE_S:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    if words and sys.stderr.isatty():
        teller.start()
    try:
        yield
    finally:
        over.set()
        if teller.is_alive():
            teller.join()


def whole(typed: str | int) -> int:
    """Parse an id in ASCII digits; int() would accept `+2`, ` 2` and `２` too. Ids begin with 1."""
    found = ids.read(str(typed))  # defaults are ints already
    if not found:
        raise _no_number(typed, 1)
    return found


def position(typed: str | int) -> int:
    """Parse after which id a list goes on: 0 at first."""
    found = ids.read(str(typed))
    if found is None:
        raise _no_number(typed, 0)
    return found


def _no_number(typed: str | int, least: int) -> typer.BadParameter:
    return typer.BadParameter(
        f"{_typed(typed)} is not a valid number. Use only the digits 0 to 9, from {least} to {ids.LARGEST}."
    )


def _typed(typed: str | int) -> str:
    return escaped(str(typed)[:20])


_json = False
Number = Annotated[int, typer.Argument(parser=whole, metavar="NUMBER")]
After = Annotated[int, typer.Option(parser=position, metavar="NUMBER", help="Continue after this number.")]
Most = Annotated[int, typer.Option(min=1, max=1_000_000, help="The maximum number of rows.")]
Json = Annotated[bool, typer.Option("--json", help="Answer with JSON.")]


def account() -> str:
    """Return the account name of this process's uid; environment variables could name anybody."""
    if is_mapped():
        return f"uid {os.getuid()} in a user namespace"
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers often run under a uid without a name
        return f"uid {os.getuid()}"


def is_mapped() -> bool:
    """Return whether this is a user namespace, where anybody can take any uid."""
    try:
        said = Path("/proc/self/uid_map").read_text("ascii").split()
    except OSError:
        return False  # not Linux
    return said != ["0", "0", str(2**32 - 1)]


def whoami() -> str:
    return at_keyboard(account())


def instant(option: str, value: str | None) -> datetime | None:
    """Parse an ISO 8601 instant with zone; raises Invalid that names the option, or the ARGUMENT."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        named = option if option.isupper() else f"--{option}"
        raise Invalid(
            "{named} must be a date and time with a time zone, for example 2024-02-09T07:00+07:00.",
            named=named,
        )
    return at


def day(option: str, value: str) -> date:
    """Parse an ISO 8601 date; raises Invalid that names the option."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise Invalid("--{option} must be a date, for example 2024-01-29.", option=option) from None


def _ask_json(enabled: bool) -> None:
    global _json
    _json = enabled


def tells(
    _: Annotated[bool, typer.Option("--json", callback=_ask_json, help="Answer with JSON.")] = False,
) -> None:
    """Have the --json that app/cli/command_list.py gives to each command that makes or changes something."""


def done(sentence: str, **facts: Any) -> None:
    """Tell what was made or changed: a sentence, or these facts as JSON under --json."""
    tell(to_json(facts, indent=2).decode() if _json else shown(sentence))


def tell(line: str) -> None:
    """Print what was done. A reader that has left (`| head -1`) neither stops nor undoes the rest of it."""
    try:
        typer.echo(line)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def counted(n: int, singular: str, many: str) -> str:
    """Return the count with what is counted, and its verb, in singular or plural."""
    return f"{n:,} {singular if n == 1 else many}"


def shown(text: str) -> str:
    """Return lines for a terminal: what people or carriers wrote in them commands it nothing."""
    return "\n".join(map(escaped, text.split("\n")))


def say(record: Any, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(record, indent=2).decode())
        return
    for line in _lines(to_jsonable_python(record), ""):
        typer.echo(line)


def _lines(value: Any, indent: str) -> Iterable[str]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value, start=1)
    for name, item in pairs:
        name = name if name != "" else "(default)"  # a text without a language
        if isinstance(item, list) and item and all(isinstance(each, int) for each in item):
            yield f"{indent}{escaped(str(name))}: {', '.join(map(str, item))}"
        elif isinstance(item, dict | list) and item:
            yield f"{indent}{escaped(str(name))}:"
            yield from _lines(item, indent + "  ")
        elif item is not None and item not in ({}, []):
            # Continuation lines are indented, so that none looks like a field.
            lines = (escaped(line) for line in str(item).split("\n"))
            yield f"{indent}{escaped(str(name))}: " + f"\n{indent}    ".join(lines)


def keep(name: str, figures: str) -> None:
    """Also write a long command's figures to build/NAME.json."""
    folder = Path("build")
    with contextlib.suppress(OSError):  # read-only folder: stdout has the figures
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(figures + "\n", encoding="utf-8")


# States that want a person; red where a terminal shows them.
_WRONG = {"halted", "failed", "held", "refusing", "lost", "closed", "left", "late", "unknown", "rejected"}


def alarm(words: str) -> str:
    """Return the words in red; `typer.echo` takes the colour out where no terminal reads them."""
    return words if os.environ.get("NO_COLOR") else typer.style(words, fg="red")


def listing(records: Sequence[Any], columns: Sequence[str], as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(records, indent=2).decode())
        return
    cells = [[cell(getattr(record, column)) for column in columns] for record in records]
    rows = [[column.upper() for column in columns], *cells]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    for row in rows:
        padded = (each.ljust(width) for each, width in zip(row, widths, strict=True))
        typer.echo("  ".join(alarm(each) if each.strip() in _WRONG else each for each in padded).rstrip())


def cell(value: Any) -> str:
    if isinstance(value, datetime):
        return (clock.local(value) if value.tzinfo else value).isoformat(sep=" ", timespec="minutes")
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{cell(name)} {cell(n)}" for name, n in value.items()) or "-"
    return "-" if value is None else escaped(str(value))

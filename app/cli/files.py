"""Files at the command line: their identity, and a bar that shows how far an import has come."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.errors import Invalid
from app.file_import.upload import UploadedFile

Show = Callable[[str, int], None]


def as_file(path: Path, name: str | None) -> UploadedFile:
    """The file as an upload would have it, or Invalid; `name`: what people call it."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Invalid(f"{path} can't be read ({error.strerror}).", field="file") from None
    return UploadedFile(name or path.name, digest, path.stat().st_size)


@contextmanager
def bar(total: int, *, quiet: bool) -> Iterator[Show]:
    """A bar on stderr, which vanishes at the end: show(words, how much of `total` is done)."""
    from rich.console import Console  # only imports wait for it
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=quiet) as shown:
        task = shown.add_task("importing", total=max(total, 1))

        def show(words: str, done: int) -> None:
            shown.update(task, completed=done, description=words)

        yield show

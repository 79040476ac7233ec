"""Progress display: live bars on a terminal, elsewhere a plain line every two seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Column

from app.core import clock

_EVERY_S = 2.0

Update = Callable[[str, int, str], None]  # name of the bar, amount done, text beside it


class ProgressBoard:
    """Output of the demo, on stdout."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    def say(self, text: str = "") -> None:
        """Print a text unwrapped."""
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def bars(self, what: str, totals: Mapping[str, int]) -> Iterator[Update]:
        if self.console.is_terminal:
            with self._live(what, totals) as update:
                yield update
            return
        lines = _Lines(self, what, totals)
        yield lines.update
        lines.print()

    @contextmanager
    def _live(self, what: str, totals: Mapping[str, int]) -> Iterator[Update]:
        # Fixed widths, so that a narrow terminal cuts the text and not the bar.
        columns = (
            TextColumn("{task.description}", table_column=Column(min_width=8, no_wrap=True)),
            BarColumn(10, table_column=Column(min_width=10)),
            TaskProgressColumn(table_column=Column(min_width=4, no_wrap=True)),
            TextColumn("{task.fields[words]}"),
        )
        self.say(f"{what}:")
        with Progress(*columns, console=self.console) as progress:
            tasks = {
                name: progress.add_task(name, total=max(total, 1), words="") for name, total in totals.items()
            }

            def update(name: str, done: int, words: str) -> None:
                progress.update(tasks[name], completed=done, words=words)

            yield update


class _Lines:
    """Prints the latest state of all bars from time to time."""

    def __init__(self, board: ProgressBoard, what: str, totals: Mapping[str, int]) -> None:
        self._board, self._what, self._totals = board, what, totals
        self._state: dict[str, tuple[int, str]] = {}
        self._printed = clock.monotonic()
        self._said = ""

    def update(self, name: str, done: int, words: str) -> None:
        """Store the state; print if the last line is two seconds old."""
        self._state[name] = (done, words)
        if clock.monotonic() - self._printed >= _EVERY_S and name == list(self._totals)[-1]:
            self.print()

    def print(self) -> None:
        self._printed = clock.monotonic()
        each = (
            f"{name} {100 * done // max(self._totals[name], 1)} % ({words})"
            for name, (done, words) in self._state.items()
        )
        line = f"{self._what}: " + "; ".join(each)
        if line != self._said:
            self._board.say(line)
        self._said = line

"""What each part gave last, so that parts may be measured one by one and stand on one page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, Limit


@dataclass(frozen=True, slots=True)
class Kept:
    """One part on one engine. sizes: of the run; load: average before it."""

    date: str
    load: float
    sizes: dict[str, Any]
    figures: Sequence[Figure]


@dataclass(slots=True)
class Shelf:
    """A file of them by name, in the order in which the page shows them."""

    file: Path
    names: Sequence[str]
    held: dict[str, Kept] = field(default_factory=dict)

    @classmethod
    def open(cls, file: Path, names: Sequence[str], sizes: dict[str, Any]) -> Shelf:
        """With what is there of the same sizes."""
        shelf, found = cls(file, names), json.loads(file.read_text("utf-8")) if file.exists() else {}
        for name, each in found.items():
            if each["sizes"] == json.loads(json.dumps(sizes)) and name in names:
                figures = [_figure(**one) for one in each.pop("figures")]
                shelf.held[name] = Kept(**each, figures=figures)
        return shelf

    def put(self, name: str, kept: Kept) -> None:
        """Keep it in place of what was there before, on the disk as well."""
        self.held[name] = kept
        self.file.parent.mkdir(exist_ok=True)
        flat = {name: asdict(each) for name, each in self.in_order()}
        self.file.write_text(json.dumps(flat, indent=1) + "\n", encoding="utf-8")

    def in_order(self) -> Iterator[tuple[str, Kept]]:
        """Name and what is kept of it."""
        return ((name, self.held[name]) for name in self.names if name in self.held)


def _figure(name: str, value: float, limit: dict[str, Any] | None) -> Figure:
    return Figure(name, value, None if limit is None else Limit(**limit))

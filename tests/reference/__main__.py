"""Write the pages of docs/reference: `make reference`. They are in no commit; tests read them from here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.reference import audit_actions, command_line, errors, metrics, operations, parity, settings

FOLDER = Path(__file__).parents[2] / "docs/reference"
PAGES: dict[str, Callable[[], str]] = {
    "cli": command_line.page,
    "settings": settings.page,
    "api": operations.page,
    "parity": parity.page,
    "metrics": metrics.page,
    "errors": errors.page,
    "audit": audit_actions.page,
}
_NOTE = "<!-- Written by `make reference` from {source}: change it there. -->\n\n"


def made(name: str) -> str:
    """Return a page as it should be."""
    page = PAGES[name]
    return _NOTE.format(source=(page.__doc__ or "").strip().rstrip(".")) + page()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in PAGES:
        (FOLDER / f"{each}.md").write_text(made(each), "utf-8")
        print(f"docs/reference/{each}.md")

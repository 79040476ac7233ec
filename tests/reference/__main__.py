"""Write the pages of docs/reference: `make reference`. They are in no commit; tests read them from here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from app.signed_orders.formats import SCHEMAS
from tests.reference import audit_actions, command_line, errors, metrics, operations, parity, settings

FOLDER = Path(__file__).parents[2] / "docs/reference"
SCHEMA_FOLDER = FOLDER.with_name("schemas")  # these are in commits, for carriers
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


def schemas() -> dict[str, str]:
    """Return the JSON Schemas of signed documents, by the name of their file."""
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        f"{name.replace('/', '-')}.schema.json": json.dumps(draft | {"title": name} | schema, indent=1) + "\n"
        for name, schema in SCHEMAS.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in PAGES:
        (FOLDER / f"{each}.md").write_text(made(each), "utf-8")
        print(f"docs/reference/{each}.md")
    for file, text in schemas().items():
        (SCHEMA_FOLDER / file).write_text(text, "utf-8")
        print(f"docs/schemas/{file}")

"""The page of what each operation is on the command line, in the client and on pages."""

from __future__ import annotations

from app.runtime.api_app import ROUTERS
from tests.parity import COMMANDS, NO_ACT, NO_COMMAND
from tests.reference.tables import table

_HEAD = """# Operations, commands and pages

Each operation of the [API](api.md) is a method of the [Python client](../client.md) under its own name, but
for carriers' webhooks. Its command works at the host and, by `loa --server`, from elsewhere; a test asks a
server for each. *yes*: a page has the act. Of what only reads pages show the same in their own arrangement.

"""


def page() -> str:
    """tests/parity.py and the routes of pages."""
    acts = {route.name for router in ROUTERS for route in router.routes}  # type: ignore[attr-defined]
    rows = []
    for operation in sorted({*COMMANDS, *NO_COMMAND}):
        words = COMMANDS.get(operation, "").split()
        command = f"`loa {' '.join(words[:2])}`" if words else f"none: {NO_COMMAND[operation]}"
        act = "yes" if f"page_do_{operation}" in acts else NO_ACT.get(operation, "")
        rows.append((f"`{operation}`", command, act if act in ("", "yes") else f"none: {act}"))
    return _HEAD + table(("Operation", "Command", "Act of a page"), rows).rstrip() + "\n"

"""The page about access says of roles what the program does."""

from __future__ import annotations

from pathlib import Path

from app.runtime import api_app
from app.security.roles import OPEN, PERMISSIONS, Role

__all__ = ["api_app"]  # it declares the operations

PAGE = Path(__file__).parents[4] / "docs" / "access.md"
BEGIN, END = "<!-- roles -->\n", "<!-- /roles -->"


def table() -> str:
    """The table of permissions for the page: one row for each set of roles."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for operation, roles in sorted(PERMISSIONS.items()):
        groups.setdefault(tuple(role for role in Role if role in roles), []).append(operation)
    rows = [(", ".join(roles), operations) for roles, operations in groups.items()]
    rows = [
        ("anybody, or with credentials of its own", sorted(OPEN)),
        *sorted(rows, key=lambda row: -len(row[1])),
    ]
    lines = [f"| {who} | {', '.join(f'`{each}`' for each in operations)} |" for who, operations in rows]
    return "\n".join(["| Who | Operations |", "|---|---|", *lines, ""])


def test_the_page_has_the_program_s_own_table() -> None:
    said = PAGE.read_text("utf-8")
    shown = said[said.index(BEGIN) + len(BEGIN) : said.index(END)]
    assert shown == table(), f"Put this between the marks of {PAGE.name}:\n{table()}"


def test_the_page_names_every_role() -> None:
    said = PAGE.read_text("utf-8")
    assert all(f"| {role} |" in said for role in Role)

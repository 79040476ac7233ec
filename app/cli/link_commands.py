"""`loa link`: links to carriers, from their operations."""

from __future__ import annotations

from app.cli.operation_commands import group

app = group("link", "Links to carriers: which send, which are halted and why.")

"""Backups of the year's database, by the means of each engine."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.processes import Home
from tests.faults.server import Server


@dataclass(slots=True)
class Store:
    """server: the PostgreSQL server of the year's own, whose log is archived; None on SQLite."""

    home: Home
    server: Server | None = None
    _copy: Path | None = field(default=None)
    _moment: str = ""

    async def back_up(self) -> None:
        """A copy of the database as it is now, while Loa works on it."""
        if self.server is None:
            self._copy = self.home.folder / f"copy-{len(self.home.programs)}.sqlite3"
            await self.home.command("database", "backup", str(self._copy))
            return
        self._copy = await asyncio.to_thread(self.server.base_backup)
        self._moment = await asyncio.to_thread(self.server.now)

    async def put_back(self) -> None:
        """The copy takes the database's place; nobody may be at work."""
        assert self._copy is not None
        if self.server is None:
            for old in self.home.folder.glob("loa.sqlite3*"):
                old.unlink()
            shutil.move(self._copy, self.home.folder / "loa.sqlite3")
        else:
            await asyncio.to_thread(self.server.put_back, self._copy, self._moment)
        self._copy = None

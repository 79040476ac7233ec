"""The play from curtain to curtain: sample, import, campaign, sending, report, recount."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import clock, logs
from app.batches.job import Counts
from app.campaigns.forecast import forecast
from app.campaigns.runs import Verb, order
from app.config import Settings
from app.db import Database
from app.demo.cast import cast
from app.demo.centres import open_centres
from app.demo.folder import claimed, tidy
from app.demo.outcome import conclude, figures, write_reports
from app.demo.sending import send
from app.demo.show import Board
from app.demo.stage import Plan, approved_campaign, fresh_db, import_file, register_links, settings_for
from app.demo.tell import tell_end, tell_forecast, tell_import, tell_outcome, tell_roles
from app.sample import write_sample

_OPERATOR = "demo operator"


@dataclass(frozen=True, slots=True)
class Options:
    """How many different good numbers, in which folder, and whether sample and ledger stay there."""

    subscribers: int
    folder: Path
    seed: int = 1
    keep: bool = True

    @property
    def record(self) -> Path:
        """Where the figures go: beside the folder, by its name."""
        return self.folder.with_name(f"{self.folder.name}.json")


def play(options: Options, board: Board) -> dict[str, Any]:
    """Give the demo; its figures, of which `verified` is the verdict. Nothing is left running."""
    started = clock.monotonic()
    with claimed(options.folder):
        options.record.unlink(missing_ok=True)  # a demo that fails must not leave the last one's figures
        found = _on_stage(options, board)
        if not options.keep:
            tidy(options.folder)
        found["seconds_total"] = round(clock.monotonic() - started, 2)
        options.record.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        tell_end(board, found, options.folder, options.record)
    return found


def _on_stage(options: Options, board: Board) -> dict[str, Any]:
    roles = cast(options.subscribers)
    with open_centres(roles, options.seed, options.folder / "simulators.log") as centres:
        links = {f"{name}-demo": roles[name].settings(name, each.port) for name, each in centres.items()}
        settings = settings_for(options.folder, links)
        with _logging(settings), fresh_db(settings) as db:
            tell_roles(board, roles)
            batches, counts, seconds = _import(db, options, board)
            plan = approved_campaign(db, batches)
            _forecast(db, settings, plan, board)
            with board.bars("sending", {name: each.accepted for name, each in counts.items()}) as update:
                for run_id in plan.runs.values():
                    order(db, Verb.START, run_id, _OPERATOR)
                runs = asyncio.run(send(db, settings, update))
            seen = {name: centre.stop() for name, centre in centres.items()}
            outcome = conclude(db, plan.campaign_id, runs, seen)
            write_reports(outcome.report, options.folder / "reports")
            tell_outcome(board, outcome, seen)
            engine = "sqlite" if db.sqlite else "postgresql"
    given = {"subscribers": options.subscribers, "seed": options.seed, "engine": engine}
    return given | _import_figures(list(counts.values()), seconds) | figures(outcome, seen)


@contextmanager
def _logging(settings: Settings) -> Iterator[None]:
    """Logs go to a file, so that they don't garble the bars."""
    with (settings.data / "loa.log").open("w", encoding="utf-8") as file:
        logs.configure(settings, file)
        try:
            yield
        finally:
            logging.getLogger().handlers.clear()


def _import(db: Database, options: Options, board: Board) -> tuple[dict[str, int], dict[str, Counts], float]:
    """Batches and counts by carrier, and the seconds that the import took."""
    board.say(f"\nWriting a sample of {options.subscribers:,} invented subscribers ...")
    files = write_sample(options.folder / "sample", options.subscribers, options.seed)
    batches, counts = {}, {}
    started = clock.monotonic()
    with board.bars("importing", {name: path.stat().st_size for name, path in files.items()}) as update:
        for name, path in files.items():

            def progress(counts: Counts, name: str = name) -> None:
                update(name, counts.bytes_read, f"{counts.lines:,} lines")

            batches[name], counts[name] = import_file(db, name, path, progress)
    seconds = clock.monotonic() - started
    tell_import(board, counts)
    return batches, counts, seconds


def _import_figures(counts: list[Counts], seconds: float) -> dict[str, Any]:
    lines = sum(each.lines for each in counts)
    return {
        "import_lines": lines,
        "import_accepted_lines": sum(each.accepted for each in counts),
        "import_rejected_lines": sum(each.rejected for each in counts),
        "import_repeated_lines": sum(each.repeated for each in counts),
        "import_seconds": round(seconds, 2),
        "import_lines_per_second": round(lines / seconds, 1),
    }


def _forecast(db: Database, settings: Settings, plan: Plan, board: Board) -> None:
    register_links(db, settings)
    now = clock.now()
    tell_forecast(board, {name: db.read(forecast, run_id, now) for name, run_id in plan.runs.items()})

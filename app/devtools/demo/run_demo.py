"""Runs the demo: sample, import, campaign, sending, report, recount."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.batches.import_job import ImportCounts
from app.campaigns import queries
from app.campaigns.forecast import forecast
from app.campaigns.runs import Verb, order
from app.core import clock
from app.core.config import LinkSettings, Settings
from app.database.connection import Database
from app.devtools.demo import scenario_http, scenario_smpp
from app.devtools.demo.demo_output import tell_end, tell_forecast, tell_import, tell_outcome, tell_roles
from app.devtools.demo.demo_setup import (
    DemoPlan,
    approved_campaign,
    claimed,
    fresh_db,
    import_file,
    register_links,
    settings_for,
    tidy,
)
from app.devtools.demo.outcome import conclude, figures, write_reports
from app.devtools.demo.progress_board import ProgressBoard
from app.devtools.demo.receipt_ingest import ReceiptIngest, link_of
from app.devtools.demo.scenario_smpp import DemoCarrier
from app.devtools.demo.sending import send
from app.devtools.demo.simulator_processes import SimulatorProcess, running_simulators
from app.devtools.sample_data import SHARES, write_sample
from app.ledger.ledger import ledger_for
from app.observability import logs

_OPERATOR = "demo operator"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Number of good numbers, folder, whether sample and ledger are kept, and the carriers' interface."""

    subscribers: int
    folder: Path
    seed: int = 1
    keep: bool = True
    over: Literal["smpp", "http"] = "smpp"

    @property
    def record(self) -> Path:
        """File of the figures: beside the folder, so that emptying it leaves them."""
        return self.folder.with_name(f"{self.folder.name}.json")


def run_demo(options: DemoOptions, board: ProgressBoard) -> dict[str, Any]:
    """Run the demo and return its figures, with the result in `verified`. Nothing is left running."""
    started = clock.monotonic()
    with claimed(options.folder):
        options.record.unlink(missing_ok=True)  # a failed demo must not leave figures of an earlier one
        found = _run(options, board)
        if not options.keep:
            tidy(options.folder)
        found["seconds_total"] = round(clock.monotonic() - started, 2)
        options.record.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        tell_end(board, found, options.folder, options.record)
    return found


def _run(options: DemoOptions, board: ProgressBoard) -> dict[str, Any]:
    roles = (scenario_http.scenario if options.over == "http" else scenario_smpp.scenario)(
        options.subscribers
    )
    ingest = ReceiptIngest(options.folder) if options.over == "http" else None
    more = {name: ingest.flags(name, role) for name, role in roles.items()} if ingest else {}
    with running_simulators(roles, options.seed, options.folder / "simulators.log", more) as simulators:
        settings = settings_for(options.folder, _links(roles, simulators, ingest))
        with _logging(settings), fresh_db(settings) as db:
            tell_roles(board, roles)
            batches, counts, seconds = _import(db, options, board)
            plan = approved_campaign(db, batches)
            _forecast(db, settings, plan, board)
            with board.bars("sending", {name: each.accepted for name, each in counts.items()}) as update:
                for run_id in plan.runs.values():
                    order(db, Verb.START, run_id, _OPERATOR)
                asyncio.run(send(db, settings, update, ingest=ingest))
            seen = {name: simulator.stop() for name, simulator in simulators.items()}
            if ingest:
                ingest.import_results(db, ledger_for(db), settings, roles, _OPERATOR)
            outcome = conclude(db, plan.campaign_id, db.read(queries.runs_page, 0, 100).items, seen)
            write_reports(outcome.report, options.folder / "reports")
            tell_outcome(board, outcome, seen)
            engine = "sqlite" if db.sqlite else "postgresql"
    given = {"subscribers": options.subscribers, "seed": options.seed, "engine": engine}
    return given | _import_figures(list(counts.values()), seconds) | figures(outcome, seen)


def _links(
    roles: Mapping[str, DemoCarrier], simulators: Mapping[str, SimulatorProcess], ingest: ReceiptIngest | None
) -> dict[str, LinkSettings]:
    found = {}
    for name, role in roles.items():
        more = ingest.options(role) if ingest else {}
        found[link_of(name)] = role.settings(name, simulators[name].port, **more)
    return found


@contextmanager
def _logging(settings: Settings) -> Iterator[None]:
    """Log to a file, so that logs do not garble the bars."""
    with (settings.data / "loa.log").open("w", encoding="utf-8") as file:
        logs.configure(settings, file)
        try:
            yield
        finally:
            logging.getLogger().handlers.clear()


def _import(
    db: Database, options: DemoOptions, board: ProgressBoard
) -> tuple[dict[str, int], dict[str, ImportCounts], float]:
    """Return batches and counts by carrier, and the seconds of the import."""
    board.say(f"\nCreating {options.subscribers:,} sample subscribers ...")
    shares = scenario_http.SHARES if options.over == "http" else SHARES
    files = write_sample(options.folder / "sample", options.subscribers, options.seed, shares)
    batches, counts = {}, {}
    started = clock.monotonic()
    with board.bars("importing", {name: path.stat().st_size for name, path in files.items()}) as update:
        for name, path in files.items():

            def progress(counts: ImportCounts, name: str = name) -> None:
                update(name, counts.bytes_read, f"{counts.lines:,} lines")

            batches[name], counts[name] = import_file(db, name, path, progress)
    seconds = clock.monotonic() - started
    tell_import(board, counts)
    return batches, counts, seconds


def _import_figures(counts: list[ImportCounts], seconds: float) -> dict[str, Any]:
    lines = sum(each.lines for each in counts)
    return {
        "import_lines": lines,
        "import_accepted_lines": sum(each.accepted for each in counts),
        "import_rejected_lines": sum(each.rejected for each in counts),
        "import_repeated_lines": sum(each.repeated for each in counts),
        "import_seconds": round(seconds, 2),
        "import_lines_per_second": round(lines / seconds, 1),
    }


def _forecast(db: Database, settings: Settings, plan: DemoPlan, board: ProgressBoard) -> None:
    register_links(db, settings)
    now = clock.now()
    tell_forecast(board, {name: db.read(forecast, run_id, now) for name, run_id in plan.runs.items()})

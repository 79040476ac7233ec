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
from app.campaigns.forecast import Forecast, forecast
from app.campaigns.runs import Verb, order
from app.config import Settings
from app.db import Database
from app.demo.cast import cast
from app.demo.centres import open_centres
from app.demo.folder import claimed, tidy
from app.demo.outcome import Outcome, Seen, conclude, figures, write_reports
from app.demo.sending import send
from app.demo.show import Board
from app.demo.stage import Plan, approved_campaign, fresh_db, import_file, register_links, settings_for
from app.reports.render import Format, render
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
        found = _on_stage(options, board)
        if not options.keep:
            tidy(options.folder)
        found["seconds_total"] = round(clock.monotonic() - started, 2)
        options.record.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        _farewell(options, board, found)
    return found


def _on_stage(options: Options, board: Board) -> dict[str, Any]:
    roles = cast(options.subscribers)
    with open_centres(roles, options.seed, options.folder / "simulators.log") as centres:
        links = {f"{name}-demo": roles[name].settings(name, each.port) for name, each in centres.items()}
        settings = settings_for(options.folder, links)
        with _logging(settings), fresh_db(settings) as db:
            for name, role in roles.items():
                board.say(f"{name}: {role.words}.")
            batches, counts, seconds = _import(db, options, board)
            plan = approved_campaign(db, batches)
            _forecast(db, settings, plan, board)
            with board.bars("sending", {name: each.accepted for name, each in counts.items()}) as update:
                for run_id in plan.runs.values():
                    order(db, Verb.START, run_id, _OPERATOR)
                runs = asyncio.run(send(db, settings, update))
            seen = {name: centre.stop() for name, centre in centres.items()}
            outcome = conclude(db, plan.campaign_id, runs, seen)
            _show(outcome, seen, options, board)
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
    for name, each in counts.items():
        board.say(
            f"{name}: {each.lines:,} lines = {each.accepted:,} accepted + {each.rejected:,} rejected "
            f"+ {each.repeated:,} repeated"
        )
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
    board.say("\nForecast, at the rates of the links:")
    for carrier, run_id in plan.runs.items():
        board.say(f"{carrier}: {_words(db.read(forecast, run_id, clock.now()))}")
    board.say()


def _words(found: Forecast) -> str:
    done = "" if found.finishes_at is None else f", done at {found.finishes_at:%H:%M:%S}"
    line = (
        f"{found.subscribers:,} messages of {found.segments:,} segments at "
        f"{found.segments_per_second:,.0f} segments/s: {found.seconds or 0:,.1f} s{done}"
    )
    return " ".join([line, *found.warnings])


def _show(outcome: Outcome, seen: Seen, options: Options, board: Board) -> None:
    """The consolidated report, the recount's verdict, and the files."""
    write_reports(outcome.report, options.folder / "reports")
    board.say("\n" + render(outcome.report, Format.TEXT).content.decode())
    for carrier, each in seen.items():
        board.say(
            f"{carrier}'s simulator took {each['messages']:,} messages; it throttled {each['throttled']:,}, "
            f"refused {each['refused']:,}, and left {each['never_answered']:,} unanswered."
        )
    open_ones = outcome.report.total
    if open_ones.no_receipt or open_ones.unknown:
        board.say(
            f"{open_ones.no_receipt:,} messages are without a receipt, {open_ones.unknown:,} are unknown: "
            "the report counts them as that."
        )
    board.say(f"Recounted {sum(outcome.verdict.counted.values()):,} rows of the ledger.")
    for sentence in outcome.objections:
        board.say(f"DIFFERENCE: {sentence}")


def _farewell(options: Options, board: Board, found: dict[str, Any]) -> None:
    if found["verified"]:
        board.say(
            f"Verified: every figure agrees, and the simulators saw {found['simulators_distinct_numbers']:,} "
            "numbers, none of them twice."
        )
    board.say(f"Reports: {options.folder / 'reports'}   Figures: {options.record}   Log: loa.log there")
    if options.keep and found["engine"] == "sqlite":
        board.say(f"Look around: LOA_DATA={options.folder} loa campaign show 1")

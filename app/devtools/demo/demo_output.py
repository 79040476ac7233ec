"""Prints the demo's texts: carriers, import, forecast, result, and where files are."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.batches.import_job import ImportCounts
from app.campaigns.forecast import Forecast
from app.devtools.demo.outcome import DemoOutcome, Seen
from app.devtools.demo.progress_board import ProgressBoard
from app.devtools.demo.scenario_smpp import DemoCarrier
from app.reports.export.formats import Format, render


def tell_roles(board: ProgressBoard, roles: Mapping[str, DemoCarrier]) -> None:
    for carrier, role in roles.items():
        board.say(f"{carrier} ({role.kind}): {role.words}. Receipts come {role.receipts}.")


def tell_import(board: ProgressBoard, counts: Mapping[str, ImportCounts]) -> None:
    for name, each in counts.items():
        board.say(
            f"{name}: {each.lines:,} lines = {each.accepted:,} accepted + {each.rejected:,} rejected "
            f"+ {each.repeated:,} repeated"
        )


def tell_forecast(board: ProgressBoard, forecasts: Mapping[str, Forecast]) -> None:
    board.say("\nForecast, at the links' rates:")
    for carrier, found in forecasts.items():
        done = "" if found.finishes_at is None else f", done at {found.finishes_at:%H:%M:%S} in Vietnam"
        line = (
            f"{carrier}: {found.subscribers:,} messages of {found.segments:,} segments at "
            f"{found.segments_per_second:,.0f} segments/s: {found.seconds or 0:,.1f} s{done}"
        )
        board.say(" ".join([line, *found.warnings]))
    board.say()


def tell_outcome(board: ProgressBoard, outcome: DemoOutcome, seen: Seen) -> None:
    board.say("\n" + render(outcome.report, Format.TEXT).content.decode())
    for carrier, each in seen.items():
        board.say(
            f"{carrier}'s simulator accepted {messages(each['messages'])}; it throttled "
            f"{each['throttled']:,}, "
            f"rejected {each['refused']:,}, and left {each['never_answered']:,} unanswered."
        )
    open_ones = outcome.report.total
    if open_ones.no_receipt or open_ones.unknown:
        board.say(
            f"Without a receipt: {messages(open_ones.no_receipt)}; with an unknown outcome: "
            f"{messages(open_ones.unknown)}. The report counts them as such."
        )
    board.say(f"Ledger rows recounted: {sum(outcome.verdict.counted.values()):,}.")
    for sentence in outcome.objections:
        board.say(f"DIFFERENCE: {sentence}")


def tell_end(board: ProgressBoard, outcome: Mapping[str, Any], folder: Path, record: Path) -> None:
    if outcome["verified"]:
        board.say(
            f"Verified: all figures match, and the simulators saw {outcome['simulators_distinct_numbers']:,} "
            "numbers, none of them twice."
        )
    board.say(f"Reports: {folder / 'reports'}   Figures: {record}   Log: {folder / 'loa.log'}")
    if (folder / "loa.sqlite3").exists():
        board.say(f"Look around: LOA_DATA={shlex.quote(str(folder))} {_program()} campaign show 1")


def messages(n: int) -> str:
    return f"{n:,} message" if n == 1 else f"{n:,} messages"


def _program() -> str:
    """Name this program as the shell finds it: by its path, where no loa stands on PATH."""
    return "loa" if shutil.which("loa") == sys.argv[0] else shlex.quote(sys.argv[0])

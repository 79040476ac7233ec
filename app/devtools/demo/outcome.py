"""Result of the demo: report files, the recount, and the simulators' own counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.campaigns.queries import RunSummary
from app.core import clock
from app.database.connection import Database
from app.devtools.demo.sending import count
from app.ledger.ledger import ledger_for
from app.reports.counting.carrier_report import build_campaign
from app.reports.export.formats import PAPERS, Format, render
from app.reports.figures.figures import CampaignReport, CarrierReport
from app.reports.forms import letterhead
from app.reports.verification.verify import Verification, examine

Seen = Mapping[str, Mapping[str, Any]]  # carrier -> its simulator's report

_FILES = (Format.JSON, Format.CSV, Format.XLSX)
SHOWN = (
    "submits",
    "distinct_numbers",
    "copies_max",
    "throttled",
    "refused",
    "never_answered",
    "never_reported",
    "receipts_sent",
    "receipts_acknowledged",
    "submits_per_second_max",
)
_TAKEN = ("submitted", "relayed", "delivered", "undelivered", "expired")


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """The report, the recount, and a sentence per disagreement; none means success."""

    report: CampaignReport
    verdict: Verification
    objections: tuple[str, ...]


def conclude(db: Database, campaign_id: int, runs: Sequence[RunSummary], seen: Seen) -> DemoOutcome:
    report = db.read(build_campaign, campaign_id, clock.now_ms())
    verdict = examine(db, ledger_for(db), campaign_id)
    objections = [difference.sentence for difference in verdict.differences]
    for run in runs:
        objections += compare(run, seen[run.carrier])
    return DemoOutcome(report, verdict, tuple(objections))


def compare(run: RunSummary, seen: Mapping[str, Any]) -> list[str]:
    found, numbers = [], seen["distinct_numbers"]
    sure, perhaps = count(run, *_TAKEN), count(run, "unknown")
    if not sure <= numbers <= sure + perhaps:
        found.append(
            f"{run.carrier}: its simulator accepted messages for {numbers} numbers; according to "
            "the ledger it accepted "
            f"{sure}, and possibly {perhaps} more that are unknown."
        )
    if seen["copies_max"] > 1:
        found.append(f"{run.carrier}: {seen['numbers_twice']} numbers received more than one copy.")
    if seen["messages_incomplete"]:
        found.append(f"{run.carrier}: {seen['messages_incomplete']} messages are missing a part.")
    return found


def write_reports(report: CampaignReport, folder: Path) -> list[Path]:
    """Write JSON, CSV and XLSX of the campaign and of each run, and its documents; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    named: dict[str, CampaignReport | CarrierReport] = {
        "campaign": report,
        **{run.header.carrier: run for run in report.runs},
    }
    files = []
    for name, each in named.items():
        papers = () if isinstance(each, CampaignReport) else tuple(PAPERS)
        for form in (*_FILES, *papers):
            files.append(folder / f"{name}.{form}")
            files[-1].write_bytes(render(each, form, letterhead.load(None)).content)
    return files


def figures(outcome: DemoOutcome, seen: Seen) -> dict[str, Any]:
    total = outcome.report.total
    return {
        "sent_messages": total.sent,
        "delivered_messages": total.delivered,
        "failed_messages": total.failed,
        "no_receipt_messages": total.no_receipt,
        "unknown_messages": total.unknown,
        "waiting_messages": total.waiting,
        "sent_segments": total.segments,
        "messages_per_second": _messages_per_second(outcome.report),
        "simulators_distinct_numbers": sum(each["distinct_numbers"] for each in seen.values()),
        "copies_max": max(each["copies_max"] for each in seen.values()),
        "verified": not outcome.objections,
        "objections": list(outcome.objections),
        "simulators": {carrier: {name: each[name] for name in SHOWN} for carrier, each in seen.items()},
    }


def _messages_per_second(report: CampaignReport) -> float | None:
    """Average from the first submission of any run to the last; None without a span."""
    days = [day for run in report.runs for day in run.days if day.first_ms is not None]
    if not days:
        return None
    first, last = min(day.first_ms or 0 for day in days), max(day.last_ms or 0 for day in days)
    return round(report.total.sent / ((last - first) / 1000), 1) if last > first else None

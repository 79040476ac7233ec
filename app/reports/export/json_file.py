"""Renders a report as JSON: English names with units, in a fixed order."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from app.reports.counting.consolidated import ConsolidatedReport, RunLine
from app.reports.counting.stated_report import StatedReport
from app.reports.counting.unique_reach import UniqueReach
from app.reports.figures.addressees import AddresseeStatus
from app.reports.figures.carrier_statement import FigureSource as Source
from app.reports.figures.carrier_statement import StatedCounts, received_as
from app.reports.figures.document_meta import PaperMeta
from app.reports.figures.figures import (
    FIGURES,
    OUTCOMES,
    TIMED,
    CampaignReport,
    CarrierReport,
    DayRow,
    Figures,
    Header,
    provable,
    standing_in,
)
from app.reports.figures.numbers import iso
from carriers.contract import ReceiptLevel

# Keys added after some reports had been frozen: those are rebuilt without them.
ADDED = {"areas_without_subscribers", "areas_not_stated", "sent_in_time", "reported_in_time"}
ADDED |= {each.name for each in FIGURES.values() if each.added}


def as_kept(rebuilt: Any, stored: Any) -> Any:
    """Return a rebuilt document without the keys that the kept one could not have."""
    if isinstance(rebuilt, dict) and isinstance(stored, dict):
        return {k: as_kept(v, stored.get(k)) for k, v in rebuilt.items() if k in stored or k not in ADDED}
    if isinstance(rebuilt, list) and isinstance(stored, list) and len(rebuilt) == len(stored):
        return [as_kept(*pair) for pair in zip(rebuilt, stored, strict=True)]
    return rebuilt


def render(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def of_run(report: CarrierReport) -> dict[str, Any]:
    """Return one run's report, or one batch's. Counts that the links' receipts cannot prove are null."""
    level = report.header.receipt_level
    return {
        "report": "run",
        **_rules(report),
        "interim": report.interim,
        **_head(report.header),
        "source": Source.MEASURED.value,
        "general": _figures(report.general, level),
        "excluded_subscribers": {cause.key: cause.n for cause in report.excluded},
        "deferred_times": report.extra.deferred,
        "resent_times": report.extra.resent,
        **({"cost": report.cost.said()} if report.cost and report.cost.dong is not None else {}),
        "partly_received_messages": report.extra.partly,
        "unknown_written_off_messages": report.extra.written_off,
        **({"unexplained_messages": report.extra.unexplained} if report.extra.unexplained else {}),
        **({"contradicted_snapshots": n} if (n := report.extra.contradicted_snapshots) else {}),
        "oldest_without_receipt_sent_at": iso(report.extra.oldest_ms),
        "areas": [{"code": a.code, "name": a.name, **_area(a.figures, level)} for a in report.places],
        "areas_without_subscribers": [asdict(area) for area in report.empty],
        "outside_areas_subscribers": report.outside_areas,
        "days": [_day(day, level) for day in report.days],
        "failed_messages_by_reason": {cause.key: cause.n for cause in report.reasons},
        "other_network_messages_by_network": {cause.key: cause.n for cause in report.networks},
    }


def _rules(report: CarrierReport | StatedReport | ConsolidatedReport) -> dict[str, int]:
    return {"rules": report.rules} if report.rules > 1 else {}


def of_stated(report: StatedReport) -> dict[str, Any]:
    """Return a run as its carrier stated it; null: not provable by receipts, or not stated."""
    of = report.statement
    figures, paper = of.figures, of.paper
    return {
        "report": "run",
        **_rules(report),
        "interim": report.interim,
        **_head(report.header),
        "source": of.kind.value,
        "statement": {
            "version": paper.version,
            "number": paper.number,
            "dated_on": paper.dated_on,
            "received_at": iso(paper.received_ms),
            "cut_off_at": iso(of.cutoff_ms),
            "attachment_sha256": paper.attachment.sha256 if paper.attachment else None,
            **_signature(paper),
        },
        "general": _stated(figures.general, of.level)
        | {"sent_segments": figures.segments, "resent_times": figures.resent},
        "excluded_subscribers": {cause.key: cause.n for cause in figures.excluded},
        "areas": [{"code": a.code, "name": a.name, **_stated(a.counts, of.level)} for a in report.places],
        "areas_not_stated": [asdict(area) for area in report.empty],
        "days": [
            {"day": d.day, "hours": d.hours, "batches": d.batches, "sent_messages": d.sent}
            | {FIGURES[received_as(_named_as(of.level))].name: d.received}
            for d in figures.days
        ],
        "failed_messages_by_reason": {cause.key: cause.n for cause in figures.reasons},
    }


def _signature(paper: PaperMeta) -> dict[str, Any]:
    """Return by which key the carrier signed the figures; nothing of those that are not signed."""
    return {"signature": asdict(paper.signature)} if paper.signature else {}


def _stated(counts: StatedCounts, level: ReceiptLevel) -> dict[str, Any]:
    return {FIGURES[key].name: n for key, n in counts.by_figure(_named_as(level)).items()}


def _named_as(level: ReceiptLevel) -> ReceiptLevel:
    """Without receipts the null stands under the name for handsets, as in every report frozen so far."""
    return level or ReceiptLevel.HANDSET


def of_campaign(report: CampaignReport) -> dict[str, Any]:
    return {
        "report": "campaign",
        "interim": report.interim,
        "campaign_id": report.campaign_id,
        "campaign": report.campaign,
        "cut_off_at": iso(report.cutoff_ms),
        "total": _total(report),
        "total_by_receipt_level": [
            {"receipt_level": _level(level), **_figures(figures, level)}
            for level, figures in report.by_level.items()
        ],
        "runs": [of_run(run) for run in report.runs],
        "carriers_that_send_themselves": list(report.held),
    }


def _total(report: CampaignReport) -> dict[str, Any]:
    """Sum all runs; no ratio across receipt levels."""
    found = _figures(report.total, report.receipt_level)
    none = {each.name: None for each in FIGURES.values() if each.part}
    return found | none if len(report.by_level) > 1 else found


def _level(level: int | None) -> str | None:
    return None if level is None else ReceiptLevel(level).name.lower()


def of_directive(report: ConsolidatedReport) -> dict[str, Any]:
    letter = report.letter
    return {
        "report": "directive",
        **_rules(report),
        "interim": report.interim,
        "cut_off_at": iso(report.cutoff_ms),
        "directive_id": letter.id,
        "directive": letter.number,
        "issued_on": letter.issued_on.isoformat(),
        "issuer": letter.issuer,
        "subject": letter.subject,
        "report_deadline": iso(letter.deadline_ms),
        "runs": [_line(line, report) for line in report.lines],
        **({"unique_reach": _reach(report.reach) | _subscribers(report)} if report.reach else {}),
        "carriers_without_run": list(report.silent),
        "addressees": [_addressee(each) for each in report.others],
        "channels": [asdict(each) for each in report.channels],
    }


def _reach(reach: UniqueReach) -> dict[str, Any]:
    return {
        "persons": reach.persons,
        "by_campaign": [asdict(each) for each in reach.by_campaign],
        "by_carrier": [asdict(each) for each in reach.by_carrier],
        "by_area": [asdict(each) for each in reach.by_area],
    }


def _subscribers(report: ConsolidatedReport) -> dict[str, Any]:
    """Return subscribers counted once; reports frozen by earlier rules have none."""
    if report.subscribers is None:
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    for row in report.subscribers:
        counts = {FIGURES[key].once: getattr(row.figures, key) for key in _ONCE}
        found.setdefault(row.carrier, []).append({"code": row.area, **counts})
    return {"subscribers": [{"carrier": carrier, "areas": rows} for carrier, rows in found.items()]}


_ONCE = ("eligible", *OUTCOMES, "waiting", "excluded")


def _line(line: RunLine, report: ConsolidatedReport) -> dict[str, Any]:
    when = (report.letter.deadline_ms, report.cutoff_ms)
    found: dict[str, Any] = {
        "run_id": line.run_id,
        "campaign_id": line.campaign_id,
        "campaign": line.campaign,
        "carrier": line.carrier,
        "source": line.kind.value if line.kind else None,
        "report_version": line.version,
        "late": line.late(*when),
        "sent_in_time": line.sent_in_time(*when),
        "reported_in_time": line.reported_in_time(*when),
        "measured": of_run(line.report),
        **({"panel": asdict(line.panel)} if line.panel else {}),
    }
    if line.statement is None:
        return found | {"stated": None}
    figures = asdict(line.statement.figures)
    paper = line.statement.paper
    stated = {"level": line.statement.level.name.lower(), "version": paper.version}
    stated |= {"number": paper.number, "dated_on": paper.dated_on, "received_at": iso(paper.received_ms)}
    scan = {"attachment_sha256": paper.attachment.sha256 if paper.attachment else None}
    return found | {"stated": stated | scan | _signature(paper) | figures}


def _addressee(status: AddresseeStatus) -> dict[str, Any]:
    items = [asdict(item) for item in status.report.items] if status.report else None
    return {
        "name": status.addressee.name,
        "kind": status.addressee.kind.value,
        "late": status.late,
        "first_reported_at": iso(status.first_ms),
        "items": items,
    }


def _head(head: Header) -> dict[str, Any]:
    level = head.receipt_level
    return {
        "cut_off_at": iso(head.cutoff_ms),
        "campaign_id": head.campaign_id,
        "campaign": head.campaign,
        "directive": head.directive,
        "run_id": head.run_id,
        "carrier": head.carrier,
        "run_state": head.run_state,
        "batch_ids": list(head.batches),
        "sender": head.sender,
        "texts": dict(sorted(head.texts.items())),
        "receipt_level": _level(level),
        **({} if head.handset_by is None else {"handset_proved_by": head.handset_by}),
        "started_at": iso(head.started_ms),
        "ended_at": iso(head.ended_ms),
    }


def _figures(f: Figures, level: int | None) -> dict[str, Any]:
    return {FIGURES[key].name: n for key, n in provable(f, level).items()}


def _area(f: Figures, level: int | None) -> dict[str, Any]:
    found = provable(f, level)
    return {FIGURES[key].name: found[key] for key in standing_in("2")}


def _day(day: DayRow, level: int | None) -> dict[str, Any]:
    found = provable(day.figures, level)
    return {
        "day": day.day,
        "first_sent_at": iso(day.first_ms),
        "last_sent_at": iso(day.last_ms),
        "batches": day.batches,
        **{FIGURES[key].name: found[key] for key in TIMED},
        "messages_per_second": day.messages_per_second,
    }

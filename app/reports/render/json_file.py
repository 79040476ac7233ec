"""A report as JSON: English names that say the unit, always in the same order."""

from __future__ import annotations

import json
from typing import Any

from app.reports.figures import CampaignReport, CarrierReport, DayRow, Figures, Header
from app.reports.render.numbers import iso
from carriers.contract import ReceiptLevel


def render(document: dict[str, Any]) -> bytes:
    """The bytes of a document, UTF-8, indented."""
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def of_run(report: CarrierReport) -> dict[str, Any]:
    """One run's report, or one batch's."""
    return {
        "report": "run",
        "interim": report.interim,
        **_head(report.header),
        "general": _figures(report.general),
        "excluded_subscribers": {cause.key: cause.n for cause in report.excluded},
        "deferred_times": report.extra.deferred,
        "resent_times": report.extra.resent,
        "partly_received_messages": report.extra.partly,
        "unknown_written_off_messages": report.extra.written_off,
        "oldest_without_receipt_sent_at": iso(report.extra.oldest_ms),
        "areas": [{"code": a.code, "name": a.name, **_figures(a.figures)} for a in report.areas],
        "outside_areas_subscribers": report.outside_areas,
        "days": [_day(day) for day in report.days],
        "failed_messages_by_reason": {cause.key: cause.n for cause in report.reasons},
    }


def of_campaign(report: CampaignReport) -> dict[str, Any]:
    """The runs of a campaign, and all of them together."""
    return {
        "report": "campaign",
        "interim": report.interim,
        "campaign_id": report.campaign_id,
        "campaign": report.campaign,
        "cut_off_at": iso(report.cutoff_ms),
        "total": _figures(report.total),
        "runs": [of_run(run) for run in report.runs],
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
        "receipt_level": None if level is None else ReceiptLevel(level).name.lower(),
        "started_at": iso(head.started_ms),
        "ended_at": iso(head.ended_ms),
    }


def _figures(f: Figures) -> dict[str, Any]:
    return {
        "eligible_subscribers": f.eligible,
        "excluded_subscribers": f.excluded,
        "waiting_subscribers": f.waiting,
        "sent_messages": f.sent,
        "received_by_handset_messages": f.delivered,
        "taken_by_operator_messages": f.relayed,
        "failed_messages": f.failed,
        "no_receipt_messages": f.no_receipt,
        "unknown_messages": f.unknown,
        "sent_segments": f.segments,
        "received_by_handset_ratio": f.delivered_ratio,
        "taken_by_operator_ratio": f.relayed_ratio,
    }


def _day(day: DayRow) -> dict[str, Any]:
    return {
        "day": day.day,
        "first_sent_at": iso(day.first_ms),
        "last_sent_at": iso(day.last_ms),
        "batches": day.batches,
        "sent_messages": day.sent,
        "received_by_handset_messages": day.delivered,
        "taken_by_operator_messages": day.relayed,
        "messages_per_second": day.messages_per_second,
    }

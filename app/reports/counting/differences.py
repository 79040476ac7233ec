"""Differences between two versions of a report: each changed figure, named in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from app.reports.figures import labels
from app.reports.figures.carrier_statement import FigureSource, StatedCounts
from app.reports.figures.figures import FIGURES
from app.reports.figures.version import ChangedRow, FigureChange
from carriers.contract import ReceiptLevel

_WORDS = {
    **{name: each.words for key, each in FIGURES.items() for name in (key, each.name)},
    "general": "Biểu 1",
    "areas": "Biểu 2",
    "days": "Biểu 3",
    "failed_messages_by_reason": "Biểu 4",
    "runs": "Biểu 5",
    "measured": "số đo",
    "stated": "số doanh nghiệp báo",
    "batches": "số lô",
    "deferred_times": "số lần hoãn gửi",
    "resent_times": "số lần gửi lại",
    "partly_received_messages": "tin mới nhận một phần",
    "unknown_written_off_messages": "chưa rõ, đã chốt không xử lý tiếp",
    "unexplained_messages": "chưa giải thích được",
    "contradicted_snapshots": "mốc chốt số liệu không khớp sổ",
    "outside_areas_subscribers": "dòng bị loại khi nhập",
    "other_network_messages_by_network": "thuộc mạng khác",
    "addressees": "cơ quan, đơn vị",
    "channels": "hình thức",
    "pieces": "số tin, bài, buổi",
    "reach": "lượt tiếp cận",
    "minutes": "phút",
    "units": "số đơn vị",
    "received": "đã nhận hoặc nhà mạng đã tiếp nhận (theo mức biên nhận)",
    "resent": "số lần gửi lại",
    "counts": "số liệu",
    "reasons": "Biểu 4",
    "n": "số lượng",
    "calls": "cuộc gọi",
    "placed_calls": "đã gọi",
    "answered_calls": "có người nghe máy",
    "unanswered_calls": "không nghe máy",
    "calls_of_unknown_outcome": "chưa rõ kết quả",
    "repeated_calls": "số lần gọi lại",
    "unanswered_calls_by_reason": "Biểu 4",
    "repeated": "trùng",
    "repeated_in_campaign": "trùng với lô khác",
    "repeated_in_batch": "trùng trong lô",
    "wrong_number": "sai số",
    "do_not_send": "từ chối nhận",
    "cancelled": "đợt gửi đã hủy",
    "window_closed": "hết thời gian cho phép gửi",
    "items": "nội dung báo cáo",
    "unique_reach": "thuê bao đã nhận",
    "persons": "số thuê bao",
    "subscribers": "thuê bao",
    "addressed": "phải gửi",
    "reached": "đã nhận",
    "taken_by_operator": "chỉ tổng đài xác nhận",
    "not_sent": "không gửi nữa",
    "by_campaign": "theo chiến dịch",
    "by_carrier": "theo doanh nghiệp",
    "by_area": "theo địa bàn",
    "first": "nhận lần đầu",
    "state": "tình trạng",
    "since": "từ lúc",
    "differences": "chữ khác",
    **{reason.name.lower(): label for reason, label in labels.REASONS.items()},
}
# Identifiers, not figures.
_NO_FIGURES = frozenset(
    {"campaign_id", "run_id", "directive_id", "version", "report_version", "batch_ids", "rules"}
    | {"statement_version", "duration_ms"}
    | {"panel"}  # answers of test telephones, see `judged_alike`
)
_JUDGED = frozenset(
    {"report_deadline", "sent_in_time", "reported_in_time", "late", "receipt_level", "interim"}
    | {"report_version"}  # of a carrier's report that was frozen since
)
_KEYS = ("name", "day", "carrier", "channel", "code", "label")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FigureChange, ...]:
    """Return the figures that differ between two JSON reports, in the order of the later one."""
    old, new = dict(_figures(before)), dict(_figures(after))
    return tuple(
        FigureChange(", ".join(path), old.get(path), new.get(path))
        for path in dict.fromkeys([*new, *old])
        if old.get(path) != new.get(path)
    )


def judged_alike(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether both JSON reports say the same of deadlines, levels, what is provisional, and the panel.

    What only one of them says, as reports of an older program do, counts for nothing.
    """
    old, new = dict(_judgements(before)), dict(_judgements(after))
    same = all(old[path] == new[path] for path in old.keys() & new.keys())
    return same and _panels(before) == _panels(after)


def _panels(document: Mapping[str, Any]) -> dict[int, Any]:
    """Return what test telephones say, by run."""
    return {run["run_id"]: run["panel"] for run in document.get("runs", ()) if "panel" in run}


def _judgements(content: Any, path: tuple[object, ...] = ()) -> Iterator[tuple[tuple[object, ...], object]]:
    named = content.items() if isinstance(content, Mapping) else enumerate(content)
    for key, value in named:
        if isinstance(value, Mapping | list):
            yield from _judgements(value, (*path, key))
        elif key in _JUDGED:
            yield (*path, key), value


def changed_rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[ChangedRow, ...]:
    """Return the carriers and addressees, or the areas, of which a count differs between two JSON reports."""
    old, new = dict(_rows(before)), dict(_rows(after))
    every = dict.fromkeys([*new, *old])
    pairs = ((name, old.get(name, {}), new.get(name, {})) for name in every)
    return tuple(ChangedRow(*each) for each in pairs if each[1] != each[2])


def _rows(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield the counts of each row under its name, by the keys of FIGURES or of what addressees report."""
    if document.get("report") != "directive":
        yield "Cả đợt gửi", _counts(document.get("general", {}))
        yield from ((area["name"], _counts(area)) for area in document.get("areas", ()))
        return
    for run in document["runs"]:
        if run["source"] is not None:
            yield _name(run, 0), _of_run(run)
    for unit in document["addressees"]:
        if unit["items"] is not None:
            yield (
                unit["name"],
                {key: sum(item[key] or 0 for item in unit["items"]) for key in ("pieces", "reach")},
            )


def _counts(named: Mapping[str, Any]) -> dict[str, int]:
    found = {key: named.get(each.name) for key, each in FIGURES.items() if not each.part}
    return {key: n for key, n in found.items() if isinstance(n, int)}


def _of_run(run: Mapping[str, Any]) -> dict[str, int]:
    if run["source"] == FigureSource.MEASURED:
        return _counts(run["measured"]["general"])
    said = run["stated"]
    counts = StatedCounts(**said["general"]).by_figure(ReceiptLevel[said["level"].upper()])
    return {key: n for key, n in counts.items() if n is not None}


def _figures(
    document: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield every count under its path of words; ratios follow from counts and are left out."""
    for key, content in document.items():
        if key in _NO_FIGURES:
            continue
        named = (*path, _WORDS.get(key, key))
        if isinstance(content, Mapping):
            yield from _figures(content, named)
        elif isinstance(content, list):
            for nth, item in enumerate(content):
                if isinstance(item, Mapping):
                    yield from _figures(item, (*named, _name(item, nth)))
        elif isinstance(content, int) and not isinstance(content, bool):
            yield named, content


def _name(item: Mapping[str, Any], nth: int) -> str:
    name = next((_called(key, str(item[key])) for key in _KEYS if item.get(key)), str(nth + 1))
    run = item.get("run_id")
    return f"{name} (mã đợt {run})" if run else name


def _called(key: str, value: str) -> str:
    if key == "day":
        return f"{date.fromisoformat(value):%d/%m/%Y}"
    return labels.network(value) if key == "carrier" else value

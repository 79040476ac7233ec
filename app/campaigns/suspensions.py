"""Why a run has paused itself, as stored with the run (`runs.suspended`) and said to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core import clock
from app.core.states import OF_BUDGET, SuspendCause, suspended_because


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why a run has paused itself: `bad` of the last `of` messages; daily: `bad` today, and `of` is the most;
    budget, budget_dong: `bad` SMS parts, or đồng, are spent, and `of` is the campaign's budget.

    reasons: the most frequent reasons of the run's failures, and how many of each. sentence: all of it.
    """

    cause: SuspendCause
    bad: int
    of: int
    reasons: dict[str, int]
    at: datetime
    sentence: str

    def why(self, language: str) -> str:
        """Say it as a sentence of a page."""
        said = suspended_because(self.cause, self.bad, self.of, language)
        return f"{said[0].upper()}{said[1:]}."


_LOOK = "Look for the cause, then resume or cancel it."
_RAISE = "Ask for a higher budget, which another person approves, or cancel the run."


def suspension(value: Mapping[str, Any] | None) -> Suspension | None:
    if value is None:
        return None
    cause, bad, of = SuspendCause(value["cause"]), int(value["bad"]), int(value["of"])
    reasons = {str(name): int(n) for name, n in value["reasons"].items()}
    at = clock.moment(value["at"])
    return Suspension(cause, bad, of, reasons, at, _sentence(cause, bad, of, reasons))


def _sentence(cause: SuspendCause, bad: int, of: int, reasons: Mapping[str, int]) -> str:
    why = suspended_because(cause, bad, of)
    by = ", ".join(f"{name} {n:,}" for name, n in reasons.items())
    shown = f" (reasons of the run's failures: {by})" if by else ""
    return f"The run has paused itself: {why}{shown}. {_RAISE if cause in OF_BUDGET else _LOOK}"

"""Labels of states, roles, carriers and error kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path

from app.core import areas, clock
from app.core.config import Settings
from app.core.states import BatchState, CampaignState, LinkState, RunState
from app.reports.figures.carrier_statement import FigureSource
from app.reports.figures.figures import FIGURES, MAIN, OUTCOMES
from app.reports.figures.labels import network
from app.reports.forms import letterhead
from app.security.roles import Role
from app.web.stages import Stage
from app.web.translations import Said, say
from carriers.contract import ReceiptLevel

__all__ = [
    "LEVELS",
    "PROBLEMS",
    "ROLES",
    "SOURCES",
    "STATES",
    "TONES",
    "figure",
    "network",
    "places",
    "problem",
]


def figure(key: str) -> Said:
    """Return what a page calls the figure of this key."""
    return Said(FIGURES[key].english)


# The parts of a bar, those sent first, with their words.
BAR = {key: Said(FIGURES[key].bar) for key in (*OUTCOMES, "waiting")}


def main_figures(speaker: Callable[[Said], str]) -> list[str]:
    """Return the heads of the main figures, as the page says them."""
    return [speaker(figure(key)) for key in MAIN]


# By value: equal values share one label.
STATES: dict[str, Said] = {
    BatchState.IMPORTING: say("importing"),
    BatchState.READY: say("ready"),
    BatchState.FAILED: say("failed"),
    BatchState.ERASED: say("erased"),
    CampaignState.DRAFT: say("draft"),
    CampaignState.SUBMITTED: say("waiting for approval"),
    CampaignState.APPROVED: say("approved"),
    CampaignState.REJECTED: say("rejected"),
    CampaignState.WITHDRAWN: say("withdrawn"),
    RunState.PLANNED: say("not started"),
    RunState.RUNNING: say("sending"),
    RunState.PAUSED: say("paused"),
    RunState.CANCELLING: say("being cancelled"),
    RunState.SENT: say("all sent"),
    RunState.FINISHED: say("finished"),
    RunState.CANCELLED: say("cancelled"),
    LinkState.HALTED: say("halted"),
    Stage.LINK_DOWN: say("link down"),
    Stage.SUSPENDED: say("paused itself"),
    Stage.WAITS_FOR_HOURS: say("waiting for its hours"),
}
# CSS tone of a state's badge; others are plain.
TONES: dict[str, str] = {
    RunState.RUNNING: "busy",
    Stage.LINK_DOWN: "bad",
    Stage.SUSPENDED: "bad",
    Stage.WAITS_FOR_HOURS: "wait",
    BatchState.IMPORTING: "busy",
    CampaignState.SUBMITTED: "wait",
    RunState.PAUSED: "wait",
    RunState.CANCELLING: "wait",
    CampaignState.APPROVED: "good",
    BatchState.READY: "good",
    RunState.SENT: "plain",  # that it has ended says nothing of how: its light does
    RunState.FINISHED: "plain",
    BatchState.FAILED: "bad",
    CampaignState.REJECTED: "bad",
    LinkState.HALTED: "bad",
    CampaignState.WITHDRAWN: "off",
    RunState.CANCELLED: "off",
    BatchState.ERASED: "off",
}
ROLES: dict[str, Said] = {
    Role.ADMIN: say("administrator"),
    Role.APPROVER: say("approver"),
    Role.OPERATOR: say("operator"),
    Role.AUDITOR: say("auditor"),
    Role.WALL: say("wall screen"),
}
SOURCES: dict[str, Said] = {
    FigureSource.MEASURED: say("measured by receipts"),
    FigureSource.STATED: say("stated by the carrier"),
    FigureSource.MANUAL: say("entered by hand from a document"),
}
LEVELS: dict[int | None, Said] = {
    None: say("no link to the carrier yet"),
    ReceiptLevel.NONE: say("the carrier gives no receipts"),
    ReceiptLevel.OPERATOR: say("receipts from the carrier's centre: accepted, not proved at the handset"),
    ReceiptLevel.HANDSET: say("handset receipts"),
}
LAST_DISTRICTS = date(2025, 6, 30)
_LATER = (say("This is not possible now"), say("Nothing was changed. Wait a moment and try again."))
# Error kind -> heading and advice, shown above the error's own sentence.
PROBLEMS: dict[str, tuple[Said, Said]] = {
    "unauthorised": (say("Sign-in is needed"), say("Sign in, or check your name, password and code.")),
    "forbidden": (
        say("Your role cannot do this"),
        say("Ask someone whose role can, or your administrator."),
    ),
    "four-eyes": (
        say("Someone else must decide"),
        say("Anyone who wrote, changed or submitted a campaign cannot decide on it, from any account."),
    ),
    "csrf": (
        say("The form is too old"),
        say("Go back, reload the page and submit the form again."),
    ),
    "not-found": (
        say("Page not found"),
        say("The page does not exist or belongs to another carrier. Start from the overview."),
    ),
    "conflict": (
        say("Not possible in the current state"),
        say("Someone else may have changed it. Check the current state."),
    ),
    "version-changed": (
        say("Someone else changed this in the meantime"),
        say("Reload the page and try again."),
    ),
    "invalid": (say("Some fields are not valid"), say("Correct the fields below.")),
    "too-many-attempts": (say("Too many attempts"), say("Wait for the time given below.")),
    "too-often": _LATER,
    "too-large": (say("The file is too large"), say("Split it and upload the parts.")),
    "database-away": _LATER,
    "bug": (
        say("An error occurred in Loa"),
        say("The error was logged. Give the request id below when you ask for help."),
    ),
}
_OTHER = (say("This did not work"), say("See the message below, or ask your administrator."))


def problem(slug: str, status: int) -> tuple[Said, Said]:
    return PROBLEMS.get(slug) or (_LATER if status == 503 else _OTHER)


def agency(settings: Settings) -> str:
    """Return the agency's name as on its papers."""
    return _agency(settings.letterheads, clock.local(clock.now()).date())


@lru_cache(maxsize=8)
def _agency(letterheads: Path | None, on: date) -> str:
    return letterhead.load(letterheads).of(letterhead.POLICE, on).agency


def places(codes: Iterable[str]) -> str:
    """Return areas by name, with the code behind each; districts as they were called last."""
    today = clock.local(clock.now()).date()
    days = ((code, LAST_DISTRICTS if len(code) == 3 else today) for code in codes)
    return ", ".join(f"{areas.name(code, day)} ({code})" for code, day in days)

"""How a link has fared, kept by its adapter as it goes: up since, lost since, last answer, last refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from carriers.permit import since_boot

LONGEST_WORDS = 200


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """How a link stands in this process; times are of `since_boot`, None where there was no such moment.

    connected_since, lost_since: since when a message can go, or none can; both None before the first try and
    after close(); answered_at: the newest answer to a message; refusal: why it was last refused or lost;
    held: why nothing but single messages go; remark: what a person should look at though messages go.
    """

    connected_since: float | None = None
    lost_since: float | None = None
    answered_at: float | None = None
    refused_at: float | None = None
    refusal: str = ""
    held: str = ""
    remark: str = ""


@runtime_checkable
class ReportsHealth(Protocol):
    """A link that knows how it stands."""

    def health(self) -> LinkHealth: ...


@dataclass(slots=True)
class HealthRecord:
    """The facts of one link; every change is noted at the moment of the call."""

    connected_since: float | None = None
    lost_since: float | None = None
    answered_at: float | None = None
    refused_at: float | None = None
    refusal: str = ""
    held: str = ""
    remark: str = ""

    def connected(self) -> None:
        """A message can go, if that is news."""
        if self.connected_since is None:
            self.connected_since, self.lost_since = since_boot(), None

    def lost(self) -> None:
        """No message can go, if that is news."""
        if self.lost_since is None:
            self.connected_since, self.lost_since, self.held = None, since_boot(), ""

    def closed(self) -> None:
        """The link was left on purpose."""
        self.connected_since, self.lost_since, self.held = None, None, ""

    def answered(self) -> None:
        """The carrier answered a message, whatever it said."""
        self.answered_at = since_boot()

    def refused(self, why: str) -> None:
        """The carrier refused the bind or the request, or could not be reached."""
        self.refused_at, self.refusal = since_boot(), why[:LONGEST_WORDS]

    def facts(self, *, is_held: bool = True) -> LinkHealth:
        """What is known now; is_held: that a part of the link is held holds all of it."""
        return LinkHealth(
            self.connected_since,
            self.lost_since,
            self.answered_at,
            self.refused_at,
            self.refusal,
            self.held if is_held else "",
            self.remark,
        )

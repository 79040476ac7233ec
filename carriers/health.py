"""How a link has fared, kept by its adapter as it goes: up since, lost since, last answer, last refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from carriers.permit import since_boot

LONGEST_WORDS = 200
STILL_SAYS_S = 900.0  # so long a refusal says how the link stands, where nothing more is sent


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """How a link stands in this process; times are of `since_boot`, None where there was no such moment.

    connected_since, lost_since: since when a message can go, or none can; both None before the first try and
    after close(); answered_at: the newest answer to a message; refusal: why it was last refused or lost;
    held: why nothing but single messages go; refusing_since: since when every answer was "not now", for the
    `refusal` that came last; remark: what a person should look at though messages go.
    """

    connected_since: float | None = None
    lost_since: float | None = None
    answered_at: float | None = None
    refused_at: float | None = None
    refusal: str = ""
    held: str = ""
    remark: str = ""
    refusing_since: float | None = None


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
    refusing_since: float | None = None
    _refuses_until: float = 0.0

    def connected(self) -> None:
        """A message can go, if that is news."""
        if self.connected_since is None:
            self.connected_since, self.lost_since = since_boot(), None

    def lost(self) -> None:
        """No message can go, if that is news."""
        if self.lost_since is None:
            self.connected_since, self.lost_since, self.held = None, since_boot(), ""
            self.refusing_since = None

    def closed(self) -> None:
        """The link was left on purpose."""
        self.connected_since, self.lost_since, self.held = None, None, ""
        self.refusing_since = None

    def answered(self) -> None:
        """The carrier answered a message, whatever it said."""
        self.answered_at = since_boot()

    def refused(self, why: str) -> None:
        """The carrier refused the bind or the request, or could not be reached."""
        self.refused_at, self.refusal = since_boot(), why[:LONGEST_WORDS]

    def took(self) -> None:
        """The carrier took a message, or refused it for good: it does work them off."""
        self.refusing_since = None

    def put_off(self, why: str, for_s: float) -> None:
        """The carrier took nothing of what was sent, and wants it later."""
        self.refused(why)
        now = since_boot()
        if self.refusing_since is None or now > self._refuses_until:
            self.refusing_since = now
        self._refuses_until = now + max(for_s, STILL_SAYS_S)

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
            self.refusing_since if since_boot() <= self._refuses_until else None,
        )

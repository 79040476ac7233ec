"""Track how a link is doing: connected since, lost since, last answer, last refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from carriers.permit import since_boot

LONGEST_WORDS = 200
STILL_SAYS_S = 900.0  # how long a refusal stays valid when nothing more is sent
# A message has waited this long, or two thirds of a shorter patience: then it is said, long before it is
# given up. Nothing else follows from it: what is sent, and what counts as unknown, stays as it is.
WAITING_SAID_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """The state of a link in this process; times are those of `since_boot`, None if it never happened.

    connected_since, lost_since: since when messages can go, or can't; both None before the first try and
    after close(); answered_at: the latest answer to a message; refusal: why the link was last refused or
    lost; probing: why only single messages go, as probes; refusing_since: since when every answer was "not
    now", the last of them `refusal`; remark: what a person should look at although messages go;
    waiting_since: since when messages have waited without any answer, once that is long.
    """

    connected_since: float | None = None
    lost_since: float | None = None
    answered_at: float | None = None
    refused_at: float | None = None
    refusal: str = ""
    probing: str = ""
    remark: str = ""
    refusing_since: float | None = None
    waiting_since: float | None = None


@runtime_checkable
class ReportsHealth(Protocol):
    def health(self) -> LinkHealth: ...


@dataclass(slots=True)
class HealthRecord:
    """The mutable record behind LinkHealth; each method notes a change at the time of the call."""

    connected_since: float | None = None
    lost_since: float | None = None
    answered_at: float | None = None
    refused_at: float | None = None
    refusal: str = ""
    probing: str = ""
    remark: str = ""
    refusing_since: float | None = None
    _refuses_until: float = 0.0

    def connected(self) -> None:
        """Note that messages can go; keep the earlier time if they already could."""
        if self.connected_since is None:
            self.connected_since, self.lost_since = since_boot(), None

    def lost(self) -> None:
        """Note that no message can go; keep the earlier time if none could before."""
        if self.lost_since is None:
            self.connected_since, self.lost_since, self.probing = None, since_boot(), ""
            self.refusing_since = None

    def closed(self) -> None:
        self.connected_since, self.lost_since, self.probing = None, None, ""
        self.refusing_since = None

    def answered(self) -> None:
        """Note an answer to a message, whatever it said."""
        self.answered_at = since_boot()

    def refused(self, why: str) -> None:
        """Note that the carrier refused the bind or the request, or could not be reached."""
        self.refused_at, self.refusal = since_boot(), why[:LONGEST_WORDS]

    def took(self) -> None:
        """Note that the carrier took a message or refused it for good: it does process messages."""
        self.refusing_since = None

    def put_off(self, why: str, for_s: float) -> None:
        """Note that the carrier took nothing and wants the messages later, after `for_s` seconds."""
        self.refused(why)
        now = since_boot()
        if self.refusing_since is None or now > self._refuses_until:
            self.refusing_since = now
        self._refuses_until = now + max(for_s, STILL_SAYS_S)

    def waiting_since(self, waited_s: float, patience_s: float) -> float | None:
        """Return since when nothing was answered, None if that is not long.

        waited_s: how long the oldest message waits; patience_s: after how long it is given up.
        """
        since = max(since_boot() - waited_s, self.answered_at or 0.0)
        return since if since_boot() - since >= said_after(patience_s) else None

    def facts(self, *, is_probing: bool = True) -> LinkHealth:
        """Return a snapshot; is_probing: whether a part that probes counts for the whole link."""
        return LinkHealth(
            self.connected_since,
            self.lost_since,
            self.answered_at,
            self.refused_at,
            self.refusal,
            self.probing if is_probing else "",
            self.remark,
            self.refusing_since if since_boot() <= self._refuses_until else None,
        )


def said_after(patience_s: float) -> float:
    """Return how long messages wait before it is said."""
    return min(WAITING_SAID_AFTER_S, patience_s * 2 / 3)

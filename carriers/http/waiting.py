"""Since when a carrier over HTTP has said nothing: said long before the last moment for its answers."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from carriers.health import LinkHealth
from carriers.permit import since_boot

# After so long a silence is said; of a short patience two thirds.
SAID_AFTER_S = 20.0


class Waiting:
    """The messages that wait for their answers; a silence lasts until the carrier says anything."""

    def __init__(self, answer_timeout_s: float) -> None:
        self._said_after_s = min(SAID_AFTER_S, answer_timeout_s * 2 / 3)
        self._begun: dict[int, float] = {}
        self._numbers = count()
        self._silent_since: float | None = None  # since what was given up without any answer

    def begin(self) -> int:
        """A message goes out; the number is to be given to `end`."""
        number = next(self._numbers)
        self._begun[number] = since_boot()
        return number

    def end(self, number: int) -> None:
        """It waits no more; where it had waited long, the silence goes on."""
        begun = self._begun.pop(number)
        if self._silent_since is None and since_boot() - begun >= self._said_after_s:
            self._silent_since = begun

    def heard(self) -> None:
        """The carrier has answered something: what waits for it waits from now on."""
        self._silent_since, self._begun = None, dict.fromkeys(self._begun, since_boot())

    def beside(self, facts: LinkHealth) -> LinkHealth:
        """The facts, and the silence beside them: without an answer nobody knows whether anything goes."""
        since = self._silent_since
        if since is None:
            since = min(self._begun.values(), default=None)
        if since is None or facts.held or since_boot() - since < self._said_after_s:
            return facts
        held = f"no answer for {self._said_after_s:g} s"
        return replace(facts, held=held, connected_since=facts.connected_since or since, lost_since=None)

"""Pick the outcome of each submit: by its number, or by shares that the seed makes repeatable."""

from __future__ import annotations

from carriers.simulators.randomness import unit
from carriers.simulators.smsc import behaviour as smsc_behaviour
from carriers.simulators.smsc import outcomes
from carriers.simulators.smsc.behaviour import SmscBehaviour
from carriers.simulators.smsc.outcomes import SubmitOutcome


class OutcomePicker:
    """Counts the tries of numbers with a special outcome; all else follows from the behaviour."""

    def __init__(self) -> None:
        self._tries: dict[tuple[int, int], int] = {}
        self.behave(SmscBehaviour())

    def behave(self, behaviour: SmscBehaviour) -> None:
        self._seed = behaviour.seed
        self._by_number = outcomes.BY_NUMBER if behaviour.by_number else {}
        self._answers, self._outcomes = smsc_behaviour.answers(behaviour), smsc_behaviour.outcomes(behaviour)
        self._reportings = smsc_behaviour.reportings(behaviour)
        self._has_shares = bool(self._answers.bounds or self._outcomes.bounds or self._reportings.bounds)
        self._usual = SubmitOutcome(outcome=self._outcomes.draw(1.0))

    def choose(self, phone: bytes, part: int, turn: int) -> SubmitOutcome:
        """Return the outcome of the `turn`th submit: part `part` (from 1) to the digits `phone`."""
        special = self._by_number.get(phone[-4:])
        if special is not None:
            return self._special(special, int(phone), part)
        if not self._has_shares:
            return self._usual
        return SubmitOutcome(
            self._answers.draw(unit(self._seed, 1, turn)),  # by turn, so that a retry can end differently
            self._outcomes.draw(unit(self._seed, 2, int(phone), part)),
            self._reportings.draw(unit(self._seed, 3, int(phone), part)),
        )

    def _special(self, special: outcomes.Special, phone: int, part: int) -> SubmitOutcome:
        if part < special.from_part:
            return self._usual
        if special.tries:
            tries = self._tries[phone, part] = self._tries.get((phone, part), 0) + 1
            if tries > special.tries:
                return SubmitOutcome(outcomes.TAKEN, special.plan.outcome, special.plan.reporting)
        return special.plan

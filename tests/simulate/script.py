"""What goes wrong in a simulation, and when: a list of events that a seed makes; it can be shortened."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.seeds import read

BROKEN = Path(__file__).with_name("broken")  # scripts that once broke a promise
LINKS = 2
WORKERS = 2
RUNS = 3
TROUBLE_S = 9.0  # events begin within this time; sending would take a third of it

# Kinds of misbehaviour of a message centre, each with the values of its settings (carriers/simulators/smsc).
BEHAVIOUR: dict[str, dict[str, object]] = {
    "throttles": {"throttle": 0.5},
    "queue is full": {"queue_full": 0.6},
    "refuses some": {"refusals": "0x0B=0.2"},
    "does not answer some": {"unanswered": 0.3},
    "breaks before some answers": {"drop": 0.2},
    "breaks at every fourth submit": {"drop_after_submits": 4},
    "is silent": {"silent": True},
    "is deaf": {"deaf": True},
    "cuts its writes": {"cut_writes": True},
    "reports before it answers": {"early": 0.7},
    "reports twice": {"twice": 0.5},
    "reports foreign ids": {"foreign": 0.3},
    "reports nothing of some": {"unreported": 0.3},
    "reports out of order": {"out_of_order": True, "receipt_spread_s": 3.0},
    "reports failures": {"outcomes": "UNDELIV/001=0.3,EXPIRED/027=0.2"},
    "reports late": {"receipt_delay_s": 5.0},
    "answers late": {"answer_delay_s": 0.5, "answer_spread_s": 4.0},
    "takes little a second": {"rate_limit": 3},
    "sends noise": {"garbage": 0.1, "garbage_kind": "body"},
    "sends what is no frame": {"garbage": 0.1, "garbage_kind": "frame"},
    "refuses binds": {"refuse_binds": 0x05},
    "asks whether we live": {"enquire_link_s": 0.3},
}
CENTRE = ("partition", "reset", "restart", "unbind", *BEHAVIOUR)
WORKER = ("kill", "power", "freeze", "stop")
DATABASE = ("disk full", "disk input or output", "disk locked", "disk slow")
PEOPLE = ("pause", "cancel", "follow up", "write off", "do not send", "rate", "priority")
CLOCK = ("clock step",)
POWER = ("current fails",)
PROMPT = frozenset((*PEOPLE, "kill", "stop", "throttles", "queue is full", "refuses some", "reports twice"))


@dataclass(frozen=True, slots=True)
class Event:
    """One fault or act: at `at` seconds, for `lasts` seconds, to the link, worker or run number `which`."""

    at: float
    kind: str
    which: int
    lasts: float
    value: float = 0.0

    def __str__(self) -> str:
        return f"at {self.at:6.3f} s for {self.lasts:6.3f} s: {self.kind} ({self.which}, {self.value:g})"


@dataclass(frozen=True, slots=True)
class Script:
    """One simulation: the seed of all delays, the number of workers, and the events in their order.

    evening: the sending hours end in the middle.
    """

    seed: int
    workers: int
    events: tuple[Event, ...]
    evening: bool = False

    def without(self, left_out: Sequence[Event]) -> Script:
        return replace(self, events=tuple(each for each in self.events if each not in left_out))

    def is_prompt(self) -> bool:
        """Whether nothing holds up what is on its way, so that the times of arrival tell those of sending."""
        return PROMPT.issuperset(each.kind for each in self.events)

    def __str__(self) -> str:
        when = ", in the evening" if self.evening else ""
        return "\n".join([f"seed {self.seed}, {self.workers} workers{when}", *map(str, self.events)])


def script_of(seed: int, *, power: bool = False) -> Script:
    """Return the script of this seed: one to eight events, of one kind or of all. power: it fails as well."""
    chance = random.Random(f"script {seed}")
    families = (CENTRE, WORKER, DATABASE, PEOPLE, CLOCK)
    weights = (6, 5, 2, 3, 1)
    focus = chance.choices((None, *families), (10, *weights))[0]
    events = [
        _event(chance, focus or chance.choices(families, weights)[0]) for _ in range(chance.randint(1, 8))
    ]
    if power:
        events = events[:3] + [_event(chance, POWER) for _ in range(chance.randint(1, 3))]
    in_order = tuple(sorted(events, key=lambda each: each.at))
    return Script(seed, chance.choice((1, 2, 2)), in_order, evening=chance.random() < 0.15)


def _event(chance: random.Random, family: tuple[str, ...]) -> Event:
    kind = chance.choice(family)
    at = round(chance.uniform(0.0, TROUBLE_S) * chance.random(), 3)
    lasts = round(chance.choice((0.05, 0.5, 2.0, 5.0, 10.0)) * chance.uniform(0.5, 1.5), 3)
    which = chance.randrange(12)
    return Event(at, kind, which, lasts, round(chance.uniform(-1.0, 1.0), 4))


def replayed(file: Path) -> Script:
    """Return a script of before, whatever its seed makes today."""
    fields = read(file)
    return Script(**fields | {"events": tuple(Event(**event) for event in fields["events"])})


def shortest(script: Script, fails: object) -> Script:
    """Leave out events one by one as long as the rest still fails. fails: a function of a script."""
    assert callable(fails)
    shorter = True
    while shorter:
        shorter = False
        for each in script.events:
            attempt = script.without([each])
            if fails(attempt):
                script, shorter = attempt, True
                break
    return script

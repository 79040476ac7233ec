"""Live histories in this process, and say what was broken."""

from __future__ import annotations

import gc
import os
import traceback
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from tests.ledger_life import scene
from tests.ledger_life.checks import check
from tests.ledger_life.life import Life
from tests.ledger_life.places import Places
from tests.ledger_life.rules import NAMES, Broken
from tests.ledger_life.script import Script, script_of, shortest

WHOLE_EVERY = 25  # of these histories one is verified in whole, and freezes a report with all its papers


@dataclass(slots=True)
class Runner:
    server: str = os.environ.get("LOA_TEST_DATABASE_URL", "")
    theme: str | None = None
    engine: str | None = None
    places: Places = field(init=False)
    tally: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        gc.set_threshold(200_000, 20)  # a history leaves little behind
        self.places = Places(scene.fill, scene.past, self.server)
        return self

    def __exit__(self, *_: object) -> None:
        self.places.close()

    def script(self, seed: int) -> Script:
        return script_of(seed, bool(self.server), self.theme, self.engine)

    def live(self, script: Script) -> tuple[str, Life]:
        """Live a history, and a second time where its script says so; return what was broken, or ""."""
        broken, life = self._one(script, script.past and not script.twice)
        if broken or not script.twice:
            return broken, life
        broken, beside = self._one(script, past=True)
        if broken:
            return f"beside what is over: {broken}", beside
        for nth, (alone, more) in enumerate(zip(life.costs, beside.costs, strict=True)):
            if more > alone:
                return (
                    f"{beside.trace[nth]} takes {more} statements beside what is over, and {alone} alone",
                    beside,
                )
        return "", life

    def _one(self, script: Script, past: bool) -> tuple[str, Life]:
        life = Life(self.places, script.engine, past, script.theme)
        try:
            for step in script.steps:
                life.step(step.kind, step.dice)
            if not script.twice:
                life.rest()
            check(life, whole=script.seed % WHOLE_EVERY == 0)
        except Broken as error:
            return str(error), life
        except Exception:
            return traceback.format_exc(limit=-6), life
        self._count(script, life)
        return "", life

    def shortest(self, script: Script) -> Script:
        """Return the shortest script that still breaks a promise in the same kind of way."""
        broken, _ = self.live(script)
        kind = _kind(broken)
        return shortest(script, lambda one: _kind(self.live(one)[0]) == kind)

    def _count(self, script: Script, life: Life) -> None:
        self.tally.update(
            {
                "histories": 1,
                f"on {script.engine}": 1,
                f"about {script.theme}": 1,
                "acts": len(script.steps),
                "copied": life.copied,
            }
        )
        self.tally.update({"messages on the wire": len(life.wire), "receipts": len(life.told)})
        self.tally.update({"follow-ups": sum(bool(each.sources) for each in life.books.campaigns.values())})
        self.tally.update({"erased": sum(each.erased for each in life.books.campaigns.values())})
        self.tally.update(f"{NAMES[m.state]} at the end" for m in life.books.messages.values())


def _kind(broken: str) -> str:
    """What is broken, without numbers and names."""
    if broken.startswith("Traceback"):
        return broken.strip().rpartition("\n")[2].partition(":")[0]
    return "".join(each for each in broken if not each.isdigit())[:24]

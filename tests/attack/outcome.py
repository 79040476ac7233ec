"""What became of each attack, and the table of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Outcome(NamedTuple):
    """One thing that was tried so many times, what happened, and whether Loa held."""

    attack: str
    tried: str
    tries: int
    happened: str
    held: bool


def table(outcomes: Iterable[Outcome]) -> str:
    """One line for each, and at last how many held."""
    found, last, lines = list(outcomes), "", []
    for each in found:
        if each.attack != last:
            lines.append(f"\n{each.attack}")
        last = each.attack
        verdict = "held  " if each.held else "BROKEN"
        lines.append(f"  {verdict} {each.tries:>6}  {each.tried}: {each.happened}")
    broken = sum(not each.held for each in found)
    lines.append(f"\n{len(found)} attacks, {sum(each.tries for each in found)} tries: {broken} BROKEN.")
    return "\n".join(lines)


def bar(attack: str, what: str, found: float, most: float, tries: int) -> Outcome:
    """A figure that must not be more than its bar."""
    return Outcome(attack, what, tries, f"{found:,.2f} (at most {most:g})", found <= most)

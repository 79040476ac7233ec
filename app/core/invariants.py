"""Checks of what can never be. They stay on: one that fails undoes its transaction, and nothing else."""

from __future__ import annotations


class Impossible(Exception):
    """A fault of Loa itself: two things that belong together do not agree, and nothing of it was written.

    The sentence is ours and bears no number of a subscriber, so that pages and logs may show it;
    observability/faults.py counts it, and shows it red until it is over.
    """


def require(holds: bool, sentence: str) -> None:
    """Raise Impossible with this sentence unless it holds."""
    if not holds:
        raise Impossible(sentence)

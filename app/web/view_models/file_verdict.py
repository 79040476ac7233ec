"""Whether a file is plainly wrong: one look at what its import counted, before anybody sends by it."""

from __future__ import annotations

from app.web.translations import Said, say

# Shares from which on a file is not a list with some mistakes, but the wrong list.
MOST_BAD, MOST_ELSEWHERE = 0.1, 0.3

BAD: Said = say("Too many bad lines: this may be the wrong file, or columns in another order.")
ELSEWHERE: Said = say("Too many numbers in another carrier's range: this may be another carrier's file.")
NOBODY: Said = say("The file has no valid number.")


def of_file(lines: int, accepted: int, rejected: int, other_range: int) -> Said | None:
    """What is plainly wrong with it; None where nothing is."""
    if not accepted:
        return NOBODY if lines else None
    if rejected > MOST_BAD * lines:
        return BAD
    return ELSEWHERE if other_range > MOST_ELSEWHERE * accepted else None

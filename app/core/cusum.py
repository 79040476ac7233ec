"""CUSUM: tell a share that has risen from one that is as usual, by Page's cumulative sum of log likelihoods.

Each message adds to the evidence that its like fail with the share `limit` instead of the usual one, a
quarter of it; where the evidence falls below nothing, it begins anew. Two facts hold, whatever comes late:

- No false alarm. While failures are no more than the usual share, n messages give an alarm with a
  probability of at most n * exp(-ENOUGH): from each message on the likelihood ratio is a martingale, so it
  ever exceeds exp(ENOUGH) with at most exp(-ENOUGH) (Ville), and there are n messages to begin from. For a
  hundred runs of a million messages each, at exactly 5 %, that is 0.0014; their first 500 add at most 0.0008.
- No long wait. At a limit of 20 % each message adds 0.14 on average, so ENOUGH is reached after about 180
  messages, and after 400 in all but 1 of 100 cases.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log

USUAL = 0.25  # of the limit: 5 % where 20 % is the limit
ENOUGH = 25.0
ENOUGH_AT_FIRST = 18.0  # for the first messages of a run, when little is lost by a pause
LEAST = 100  # messages over which a share is told at all: the head of a list may be odd


@dataclass(frozen=True, slots=True)
class Rise:
    """A share that has risen: `bad` of the last `of` messages, from where the evidence began."""

    bad: int
    of: int


def first_rise(slices: Iterable[tuple[int, int]], limit: float, first: int = 0) -> Rise | None:
    """Return the first rise in these slices, each (messages, bad ones), in order; None if there is none.

    Late news of earlier messages is heard: what was sent since, of which little is known yet, hides no rise.

    limit: 0 to 1, the share that must not be. first: of so many messages less evidence is enough. Bad ones
    that a slice has no room for count for the following one.
    """
    by_bad, by_good = log(1 / USUAL), log((1 - limit) / (1 - USUAL * limit))
    evidence, seen, left = 0.0, 0, 0
    bad_since = since = 0
    for messages, bad_ones in slices:
        bad = min(bad_ones + left, messages)
        left += bad_ones - bad
        evidence += bad * by_bad + (messages - bad) * by_good
        seen, since, bad_since = seen + messages, since + messages, bad_since + bad
        if evidence <= 0:
            evidence, since, bad_since = 0.0, 0, 0
        enough = ENOUGH_AT_FIRST if seen <= first else ENOUGH
        if evidence >= enough and since >= LEAST:
            return Rise(bad_since, since)
    return None

"""Judge carriers' claims by the answers of test telephones: a claim is refuted or not, never confirmed.

The reasoning, its assumptions and its sources: docs/probes.md. No database.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, exp, lgamma, log

from carriers.phrases import Phrase

LEVEL = 0.05  # for all carriers of a campaign together
MISTAKES = 0.01  # of people who have the text and answer that they have not
LEAST_MISSING = 3  # one or two telephones are an accident
_ERROR = 1e-12  # of floating point


class Verdict(StrEnum):
    """What the panel says of a carrier's claim; there is no word for "confirmed"."""

    REFUTED = "refuted"
    NOT_REFUTED = "not_refuted"
    NO_CLAIM = "no_claim"  # the carrier's receipts say nothing of handsets


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """How many telephones have answered what. off: says nothing of the carrier; silent: no answer."""

    received: int = 0
    not_received: int = 0
    off: int = 0
    silent: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the panel says of one carrier's claim in one campaign.

    claimed: share of the messages sent that the carrier says are on the handset, 0 to 1; null if it does not
    say. limit: the highest share that the answers allow at the 95 % level, rounded up. p_value: of the
    claim, before the correction for several carriers.
    """

    run_id: int
    carrier: str
    verdict: Verdict
    sentence: str
    received: int
    not_received: int
    off: int
    silent: int
    claimed: float | None = None
    limit: float | None = None
    p_value: float | None = None

    @property
    def answered(self) -> int:
        """Return the test telephones that were on and have answered."""
        return self.received + self.not_received


@dataclass(frozen=True, slots=True)
class PanelRun:
    """One carrier's run with its claim and the answers of its telephones."""

    run_id: int
    carrier: str
    claimed: float | None
    counts: AnswerCounts


def judge(campaign: list[PanelRun]) -> list[Judgement]:
    """Judge the runs of one campaign together; runs in which no telephone has answered are left out.

    A silent telephone counts as if it had the text: silence is never held against a carrier.
    """
    answered = [run for run in campaign if run.counts.received + run.counts.not_received]
    values = {run.run_id: _p_value(run.counts, run.claimed) for run in answered if run.claimed is not None}
    refuted = _holm(values)
    return [_judgement(run, values.get(run.run_id), run.run_id in refuted) for run in answered]


def _p_value(counts: AnswerCounts, claimed: float) -> float:
    """Return how probable so few telephones with the text are, or fewer, if the claim is true."""
    had, n = _trials(counts)
    return at_most(had, n, claimed * (1 - MISTAKES)) if counts.not_received >= LEAST_MISSING else 1.0


def _trials(counts: AnswerCounts) -> tuple[int, int]:
    had = counts.received + counts.silent
    return had, had + counts.not_received


def _holm(values: Mapping[int, float]) -> set[int]:
    """Return the hypotheses that Holm's procedure rejects: the smallest p-value first, until one stays."""
    refuted = set[int]()
    for place, (run_id, p_value) in enumerate(sorted(values.items(), key=lambda each: each[1])):
        if p_value > LEVEL / (len(values) - place):
            break
        refuted.add(run_id)
    return refuted


def _judgement(run: PanelRun, p_value: float | None, refuted: bool) -> Judgement:
    counts, limit = run.counts, upper_limit(*_trials(run.counts))
    verdict = Verdict.REFUTED if refuted else Verdict.NOT_REFUTED
    if run.claimed is None:
        verdict = Verdict.NO_CLAIM
    return Judgement(
        run_id=run.run_id,
        carrier=run.carrier,
        verdict=verdict,
        sentence=_sentence(verdict, run, limit),
        received=counts.received,
        not_received=counts.not_received,
        off=counts.off,
        silent=counts.silent,
        claimed=None if run.claimed is None else round(run.claimed, 4),
        limit=limit,
        p_value=None if p_value is None else round(p_value, 6),
    )


def _sentence(verdict: Verdict, run: PanelRun, limit: float) -> Phrase:
    counts = run.counts
    n = counts.received + counts.not_received
    if verdict is Verdict.REFUTED:
        return Phrase(
            "Refuted: {missing} of {n} test telephones did not receive the text. At most {limit} % of the "
            "messages can have arrived (95 % level).",
            missing=counts.not_received,
            n=n,
            limit=ceil(limit * 100),
        )
    if verdict is Verdict.NOT_REFUTED:
        return Phrase("Not refuted ({n} test telephones).", n=n)
    return Phrase(
        "Nothing to refute: the carrier's receipts do not prove delivery to handsets ({n} test telephones).",
        n=n,
    )


def at_most(successes: int, trials: int, share: float) -> float:
    """Return the exact binomial probability of so many successes or fewer."""
    if successes >= trials or share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    odds = log(share), log(1 - share)
    missing = trials - successes
    if successes < missing:
        return min(1.0, sum(_probability(trials, k, *odds) for k in range(successes + 1)))
    return max(0.0, 1 - sum(_probability(trials, k, *reversed(odds)) for k in range(missing)))


def _probability(trials: int, successes: int, log_share: float, log_rest: float) -> float:
    """Return the binomial probability of exactly so many; by logarithms, since factorials are too large."""
    rest = trials - successes
    ways = lgamma(trials + 1) - lgamma(successes + 1) - lgamma(rest + 1)
    return exp(ways + successes * log_share + rest * log_rest)


def upper_limit(successes: int, trials: int) -> float:
    """Return the exact one-sided upper limit of a share (Clopper and Pearson 1934), rounded up to 0.1 %."""
    if successes == trials:
        return 1.0
    thousandths = range(1001)
    return (
        bisect_left(thousandths, x=True, key=lambda n: at_most(successes, trials, n / 1000) <= LEVEL + _ERROR)
        / 1000
    )

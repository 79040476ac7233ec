"""The statistics against exact fractions and published values, and what 1,000 campaigns make of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import comb
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.telephone_panel.judgement import (
    AnswerCounts,
    PanelRun,
    Verdict,
    at_most,
    judge,
    upper_limit,
)

SEEDS = 1000


def exactly(successes: int, trials: int, share: Fraction) -> Fraction:
    terms = (comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(successes + 1))
    return sum(terms, Fraction())


@given(st.integers(1, 120), st.data())
def test_the_tail_is_the_binomial_one(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    share = Fraction(data.draw(st.integers(1, 999)), 1000)
    wanted = exactly(successes, trials, share)
    assert at_most(successes, trials, float(share)) == pytest.approx(float(wanted), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("successes", "trials", "limit"),
    # With no success 1 - 0.05^(1/n); the last ones by fractions.
    [(0, 1, 0.95), (0, 10, 0.259), (0, 60, 0.049), (10, 10, 1.0), (8, 10, 0.964), (45, 50, 0.960)],
)
def test_the_upper_limit_is_that_of_clopper_and_pearson_rounded_up(
    successes: int, trials: int, limit: float
) -> None:
    assert upper_limit(successes, trials) == pytest.approx(limit, abs=1e-9)


@given(st.integers(1, 300), st.data())
def test_beyond_the_limit_so_few_successes_are_rarer_than_one_in_twenty(
    trials: int, data: st.DataObject
) -> None:
    successes = data.draw(st.integers(0, trials - 1))
    limit = upper_limit(successes, trials)
    assert at_most(successes, trials, limit) <= 0.05 + 1e-12
    assert at_most(successes, trials, limit - 0.0011) > 0.05


def verdicts(*runs: tuple[AnswerCounts, float | None]) -> list[Verdict]:
    panel = [PanelRun(n, f"carrier{n}", claimed, counts) for n, (counts, claimed) in enumerate(runs, 1)]
    return [each.verdict for each in judge(panel)]


def test_silence_and_telephones_that_were_off_refute_nothing() -> None:
    assert verdicts((AnswerCounts(10, 0, off=20, silent=30), 1.0)) == [Verdict.NOT_REFUTED]
    assert verdicts((AnswerCounts(0, 3, silent=57), 0.93)) == [Verdict.NOT_REFUTED]
    assert verdicts((AnswerCounts(0, 3), 0.93)) == [Verdict.REFUTED]
    assert verdicts((AnswerCounts(0, 0, off=9, silent=9), 1.0)) == []  # nobody has answered


def test_one_or_two_telephones_refute_nothing_whatever_is_claimed() -> None:
    assert verdicts((AnswerCounts(0, 2), 1.0)) == [Verdict.NOT_REFUTED]
    assert verdicts((AnswerCounts(58, 2), 1.0)) == [Verdict.NOT_REFUTED]
    assert verdicts((AnswerCounts(57, 3), 1.0)) == [Verdict.REFUTED]


def test_a_centre_s_figure_is_no_claim_so_it_is_not_refuted_whatever_is_missing() -> None:
    (found,) = judge([PanelRun(1, "vnpt", None, AnswerCounts(20, 40))])
    assert (found.verdict, found.p_value, found.claimed) == (Verdict.NO_CLAIM, None, None)
    assert found.limit == pytest.approx(0.447, abs=0.001)


def test_several_carriers_are_corrected_by_holm_and_one_without_a_claim_does_not_count() -> None:
    weak, fair = (AnswerCounts(57, 3), 1.0), (AnswerCounts(60), 0.99)  # weak: 0.0224, enough among two only
    assert verdicts(weak) == [Verdict.REFUTED]
    assert verdicts(weak, fair, fair) == [Verdict.NOT_REFUTED] * 3
    assert verdicts(weak, (AnswerCounts(30, 30), None)) == [Verdict.REFUTED, Verdict.NO_CLAIM]
    strong = (AnswerCounts(40, 20), 0.99)  # once this one is rejected, two are left for the weak one
    assert verdicts(weak, strong) == [Verdict.REFUTED, Verdict.REFUTED]
    assert verdicts(weak, strong, fair) == [*(Verdict.REFUTED,) * 2, Verdict.NOT_REFUTED]


def test_what_is_refuted_is_claimed_above_the_limit_that_is_shown() -> None:
    for missing in range(3, 40):
        for claimed in (0.5, 0.8, 0.9, 0.95, 0.99, 1.0):
            (found,) = judge([PanelRun(1, "vnpt", claimed, AnswerCounts(60 - missing, missing))])
            if found.verdict is Verdict.REFUTED:
                assert found.limit is not None
                assert found.limit < claimed


# ---- Whole campaigns, by seed: telephones of people, some of them off, silent, or mistaken

OFF, SILENT, MISTAKEN = 0.05, 0.05, 0.01
Truth = Callable[[Random], bool]


def answers(random: Random, arrives: Truth, telephones: int = 60) -> AnswerCounts:
    said = {"received": 0, "not_received": 0, "off": 0, "silent": 0}
    for _ in range(telephones):
        has = arrives(random)
        if random.random() < OFF:
            said["off"] += 1
        elif random.random() < SILENT:
            said["silent"] += 1
        else:
            said["received" if has and random.random() >= MISTAKEN else "not_received"] += 1
    return AnswerCounts(**said)


def named(seed: int, carriers: Sequence[tuple[Truth, float]]) -> list[str]:
    random = Random(seed)
    panel = [
        PanelRun(n, str(n), claimed, answers(random, truth)) for n, (truth, claimed) in enumerate(carriers)
    ]
    return [each.carrier for each in judge(panel) if each.verdict is Verdict.REFUTED]


def honest(share: float) -> tuple[Truth, float]:
    """It delivers this share, to test telephones no better than to its base, and says so."""
    return (lambda random: random.random() < share), share


def dropping(share: float, dropped: float = 0.2) -> tuple[Truth, float]:
    """It drops some in silence and says of them that they are delivered as well."""
    return (lambda random: random.random() < share * (1 - dropped)), share


@pytest.mark.longer
@pytest.mark.parametrize("share", [0.93, 0.97, 0.99, 1.0])
def test_a_carrier_that_drops_one_in_five_is_named_in_nineteen_of_twenty_campaigns(share: float) -> None:
    found = sum(named(seed, [dropping(share)]) == ["0"] for seed in range(SEEDS))
    assert found >= 0.95 * SEEDS


@pytest.mark.longer
@pytest.mark.parametrize("share", [0.8, 0.93, 0.97, 0.99, 1.0])
@pytest.mark.parametrize("carriers", [1, 3])
def test_honest_carriers_are_named_in_one_of_twenty_campaigns_at_most(share: float, carriers: int) -> None:
    found = sum(bool(named(seed, [honest(share)] * carriers)) for seed in range(SEEDS))
    assert found <= 0.05 * SEEDS


@pytest.mark.longer
def test_among_two_honest_ones_the_one_that_drops_is_named() -> None:
    found = [named(seed, [honest(0.97), dropping(0.97), honest(0.97)]) for seed in range(SEEDS)]
    assert sum("1" in names for names in found) >= 0.9 * SEEDS
    assert sum(bool({"0", "2"} & set(names)) for names in found) <= 0.05 * SEEDS

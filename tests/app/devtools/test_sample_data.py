"""The sample has what it promises: exact counts, every fault, the same file for the same seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.batches.row_parser import ParsedRows, RowParser, open_rows
from app.core.phone import REASONS
from app.devtools.sample_data import SHARES, write_sample


def sifted(path: Path) -> ParsedRows:
    (found,) = RowParser(1, path.stem).slices(open_rows(path).blocks(), size=1_000_000)
    return found


@pytest.mark.longer
@pytest.mark.parametrize("subscribers", [0, 1, 7, 5000])
def test_there_are_as_many_subscribers_as_asked_for(tmp_path: Path, subscribers: int) -> None:
    found = [sifted(path) for path in write_sample(tmp_path, subscribers, seed=1).values()]
    assert sum(len(each.good) for each in found) == subscribers
    assert sum(each.other_range for each in found) == 0


@pytest.mark.longer
def test_carriers_faults_and_repeats_are_in_proportion(tmp_path: Path) -> None:
    files = write_sample(tmp_path, 11_200, seed=1)
    found = {carrier: sifted(path) for carrier, path in files.items()}
    assert {carrier: len(each.good) for carrier, each in found.items()} == {
        carrier: round(10_000 * share) for carrier, share in SHARES.items()
    }
    rejected = sum(len(each.bad) - each.repeated for each in found.values())
    repeated = sum(each.repeated for each in found.values())
    assert 0.02 < rejected / 11_200 < 0.04
    assert 0.005 < repeated / 11_200 < 0.015
    assert {bad[2] for each in found.values() for bad in each.bad} == {*REASONS, "repeated"}


@pytest.mark.longer
def test_the_areas_are_known_and_nobody_has_a_language(tmp_path: Path) -> None:
    for carrier, path in write_sample(tmp_path, 2000, seed=1).items():
        sifter = RowParser(1, carrier)
        areas = {area for each in sifter.slices(open_rows(path).blocks()) for area in each.good.areas}
        assert (sifter.unknown_areas, sifter.languages_ignored) == (0, 0)
        assert len(areas) > 50


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    one, two, other = (write_sample(tmp_path / str(n), 300, seed) for n, seed in enumerate((1, 1, 2)))
    for carrier, path in one.items():
        assert path.read_bytes() == two[carrier].read_bytes()
        assert path.read_bytes() != other[carrier].read_bytes()

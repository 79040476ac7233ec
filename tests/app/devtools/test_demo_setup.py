"""The demo prepares a campaign of any size that it can be asked for, also where one line of seven is bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.database.connection import Database
from app.devtools.demo.demo_setup import approved_campaign, import_file
from app.devtools.sample_data import write_sample


@pytest.mark.parametrize("subscribers", [20, 60, 100])
def test_a_small_demo_knows_that_its_own_files_have_bad_lines(
    db: Database, tmp_path: Path, subscribers: int
) -> None:
    files = write_sample(tmp_path, subscribers, seed=1)
    batches = {carrier: import_file(db, carrier, file, lambda *_: None)[0] for carrier, file in files.items()}
    assert set(approved_campaign(db, batches).runs) == set(files)

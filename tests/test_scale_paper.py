"""docs/scale.md stays true: keys hold the campaign, so what grows with the messages can be distributed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import UniqueConstraint

from app.database.models import metadata

PAPER = (Path(__file__).parent.parent / "docs" / "scale.md").read_text("utf-8")


def distributed() -> list[str]:
    """The tables that the paper says are distributed by campaign."""
    _, _, table = PAPER.partition("| Distributed by `campaign_id` |")
    return re.findall(r"`(\w+)`", table.splitlines()[2].split("|")[1])


def test_the_paper_names_every_table_that_has_a_row_for_each_message() -> None:
    keyed = {
        name for name, table in metadata.tables.items() if {"campaign_id", "batch_id"} <= {*table.c.keys()}
    }
    # Of a campaign's batches, what those are made of, a carrier's file, and who wrote to us: none is of its
    # messages.
    made = {"run_batches", "follow_ups", "follow_up_sources", "receipt_lines", "answers"}
    assert keyed - made == set(distributed())


@pytest.mark.parametrize("name", distributed())
def test_the_campaign_is_part_of_every_key(name: str) -> None:
    table = metadata.tables[name]
    keys = [list(table.primary_key.columns.keys())] if len(table.primary_key.columns) else []
    keys += [list(each.columns.keys()) for each in table.constraints if isinstance(each, UniqueConstraint)]
    keys += [list(each.columns.keys()) for each in table.indexes if each.unique]
    assert [key for key in keys if "campaign_id" not in key] == []
    assert not table.c.campaign_id.nullable
    assert not table.foreign_keys, "a reference to rows on another node can't be kept"

"""The claim: a run is sent by what its links made of its text when it was approved; a label, a template or a
sender that is changed in the settings afterwards stops it, until somebody on the host has signed.
"""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from sqlalchemy import select, update

from app import audit, seal
from app.campaigns import approval
from app.config import LinkSettings
from app.db import Database
from app.dispatch import lanes
from app.dispatch.sendable import Work, claim
from app.errors import Conflict
from app.models import approvals, runs
from app.worker import SAYING, says
from carriers.contract import ReceiptLevel
from carriers.mobifone.settings import MobifoneSettings
from carriers.smpp.settings import SmppSettings
from carriers.viettel.settings import ViettelSettings
from carriers.vnpt.settings import VnptSettings
from tests.app.world import World, build

FACTS = lanes.LinkFacts("viettel-1", "viettel", "viettel-1", 100.0, ReceiptLevel.OPERATOR, says="a" * 64)


def link(**own: object) -> LinkSettings:
    return LinkSettings.model_validate({"carrier": "vnpt", "kind": "vnpt", "segments_per_second": 5} | own)


def ready(db: Database) -> World:
    """A running run that was approved while its link said what FACTS say."""
    world = build(db, 20, chunk=10)
    world.lane = db.write(lanes.register, FACTS)
    world.rewrite(sender="CA SONLA")
    world.fan_out()
    return world


def sends(world: World) -> bool:
    return isinstance(world.db.write(claim, world.ledger, world.lane, "lane", 8.0), Work)


def test_a_link_that_says_the_same_sends(db: Database) -> None:
    assert sends(ready(db))


def test_one_that_says_something_else_stops_the_run(db: Database) -> None:
    world = ready(db)
    world.lane = db.write(lanes.register, replace(FACTS, says="b" * 64))
    assert not sends(world)
    assert db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == "paused"
    assert db.read(audit.acts, 0, 100)[-1].detail["why"] == "link"


def test_a_second_link_of_the_same_settings_sends_beside_it(db: Database) -> None:
    world = ready(db)
    world.lane = db.write(lanes.register, replace(FACTS, name="viettel-2"))
    assert sends(world)


def test_what_is_written_in_the_row_of_a_lane_afterwards_changes_nothing(db: Database) -> None:
    world = ready(db)
    world.lane = db.write(lanes.register, replace(FACTS, says="b" * 64))
    db.write(lambda c: c.execute(update(lanes.lanes).values(says="a" * 64)))
    assert not sends(world)


def test_it_goes_on_once_somebody_on_the_host_has_signed(db: Database) -> None:
    """Without a key nothing is stamped, so the test has one."""
    db.close()
    keyed = Database(db.url.render_as_string(hide_password=False), keys=(b"k" * 32,))
    try:
        world = ready(keyed)
        keyed.write(audit.note, "operator", "run.start", f"run/{world.run}")
        world.lane = keyed.write(lanes.register, replace(FACTS, says="b" * 64))
        assert not sends(world)
        digest = keyed.read(seal.last_decision, world.campaign).digest
        keyed.write(approval.sign, world.campaign, digest, "host")
        keyed.write(lambda c: c.execute(update(runs).values(state="running")))
        keyed.write(audit.note, "operator", "run.resume", f"run/{world.run}")
        assert sends(world)
        with pytest.raises(Conflict, match="no approval of this digest"):
            keyed.write(approval.sign, world.campaign, digest, "host")
        keyed.write(lambda c: c.execute(update(approvals).values(links={"viettel": ["c" * 64]})))
        assert not sends(world)
    finally:
        keyed.close()


CHANGES: dict[str, object] = {
    "label": "CA SONLB",
    "label_id": "7",
    "templates": {"12": "Canh bao {1}"},
    "traffic": "qc",
    "kind": "smpp",
    "source_ton": 1,
    "cp_code": "other",
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_of_these_settings_counts(name: str) -> None:
    assert says(link(**{name: CHANGES[name]})) != says(link())


def test_speed_addresses_and_secrets_do_not() -> None:
    others = {"base_url": "https://b.example.vn", "password": "x" * 8, "user": "u", "per_submit": 5}
    assert says(link(**others)) == says(link(segments_per_second=9))


SILENT = (
    *("password", "user", "portal_user", "agent_id", "system_id", "system_type", "host", "port", "base_url"),
    *("proxy", "tls", "ca_file", "client_cert", "client_key", "request_id", "msg_id", "operation", "method"),
)


@pytest.mark.parametrize("settings", [VnptSettings, SmppSettings, ViettelSettings, MobifoneSettings])
def test_every_setting_that_bears_on_text_or_sender_is_known_by_an_adapter(settings: type) -> None:
    names = {each.name for each in fields(settings)}
    assert names & SAYING
    assert not SAYING & set(SILENT)

"""The claim: a run is sent by what its links made of its text when it was approved; a label, a template or a
sender that is changed in the settings afterwards stops it, until somebody on the host has signed.
"""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from sqlalchemy import select, update

from app.campaigns import approval
from app.core.config import LinkSettings
from app.core.errors import Conflict
from app.database.connection import Database
from app.database.models import approvals, runs
from app.dispatch import link_store
from app.dispatch.run_content import ClaimedChunk, claim
from app.ledger import approval_digest
from app.runtime.worker import content_hash
from app.security import audit
from carriers import registry
from carriers.contract import ReceiptLevel
from tests.app.world import World, build
from tests.exact import exactly

FACTS = link_store.LinkRecord(
    "viettel-1", "viettel", "viettel-1", 100.0, ReceiptLevel.OPERATOR, content_hash="a" * 64
)


def link(**own: object) -> LinkSettings:
    return LinkSettings.model_validate({"carrier": "vnpt", "kind": "vnpt", "segments_per_second": 5} | own)


def ready(db: Database) -> World:
    """A running run that was approved while its link said what FACTS say."""
    world = build(db, 20, chunk=10)
    world.link = db.write(link_store.register, FACTS)
    world.rewrite(sender="CA SONLA")
    world.fan_out()
    return world


def sends(world: World) -> bool:
    return isinstance(world.db.write(claim, world.ledger, world.link, "link", 8.0), ClaimedChunk)


@pytest.mark.longer
def test_a_link_that_says_the_same_sends(db: Database) -> None:
    assert sends(ready(db))


def test_one_that_says_something_else_stops_the_run(db: Database) -> None:
    world = ready(db)
    world.link = db.write(link_store.register, replace(FACTS, content_hash="b" * 64))
    assert not sends(world)
    assert db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == "paused"
    assert db.read(audit.listed, 0, 100).items[-1].detail["why"] == "link"


@pytest.mark.longer
def test_a_second_link_of_the_same_settings_sends_beside_it(db: Database) -> None:
    world = ready(db)
    world.link = db.write(link_store.register, replace(FACTS, name="viettel-2"))
    assert sends(world)


def test_what_is_written_in_the_row_of_a_link_afterwards_changes_nothing(db: Database) -> None:
    world = ready(db)
    world.link = db.write(link_store.register, replace(FACTS, content_hash="b" * 64))
    db.write(lambda c: c.execute(update(link_store.links).values(content_hash="a" * 64)))
    assert not sends(world)


@pytest.mark.longer
def test_it_goes_on_once_somebody_on_the_host_has_signed(db: Database) -> None:
    """Without a key nothing is stamped, so the test has one."""
    db.close()
    keyed = Database(db.url.render_as_string(hide_password=False), keys=(b"k" * 32,))
    try:
        world = ready(keyed)
        keyed.write(audit.note, "operator", "run.start", f"run/{world.run}")
        world.link = keyed.write(link_store.register, replace(FACTS, content_hash="b" * 64))
        assert not sends(world)
        digest = keyed.read(approval_digest.last_decision, world.campaign).digest
        keyed.write(approval.sign, world.campaign, digest, "host")
        keyed.write(lambda c: c.execute(update(runs).values(state="running")))
        keyed.write(audit.note, "operator", "run.resume", f"run/{world.run}")
        assert sends(world)
        with pytest.raises(Conflict, match=exactly("Campaign 1 has no unsigned approval with this digest.")):
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


KINDS = {"source_ton": "smpp", "cp_code": "viettel"}  # others are VNPT's


@pytest.mark.parametrize("name", CHANGES)
def test_each_of_these_settings_counts(name: str) -> None:
    kind = {"kind": KINDS[name]} if name in KINDS else {}
    assert content_hash(link(**kind | {name: CHANGES[name]})) != content_hash(link(**kind))


def test_speed_addresses_and_secrets_do_not() -> None:
    others = {"base_url": "https://b.example.vn", "password": "x" * 8, "user": "u", "per_submit": 5}
    assert content_hash(link(**others)) == content_hash(link(segments_per_second=9))


# What each adapter's settings say, and the rest: a new setting must be put on one side.
SAY = {
    "vnpt": {"label", "label_id", "templates", "traffic", "contract_id"},
    "smpp": {"source_ton", "source_npi", "service_type", "gsm_data_coding", "gsm_alphabet", "ucs2", "tlvs"},
    "viettel": {"cp_code", "command_code", "accented", "plain_type"},
    "mobifone": {"bind_mode", "ucs2"},
}
SILENT = {
    *("addr_npi", "addr_ton", "address_range", "adser_id", "agent_id", "answer_timeout_s"),
    *("base_url", "bind", "binds", "blocked_hours", "ca_file", "client_cert", "client_key"),
    *("connect_timeout_s", "dest_npi", "dest_ton", "dlr_statuses", "enquire_link_s"),
    *("failure_date", "failure_first_page", "failure_page", "failure_pages", "format", "host"),
    *("http_statuses", "id_mode", "in_flight", "keep_alive_s", "login_pause_s", "login_tries"),
    *("long_text", "longest_answer_kb", "max_bytes", "max_segments", "messages", "method"),
    *("msg_id", "no_error", "operation", "package_id", "part_retries", "part_retry_s", "password"),
    *("per_submit", "port", "portal_user", "probe_max_s", "proxy", "queries_per_second"),
    *("read_pause_s", "read_tries", "reasons", "receipt_level", "receipt_zone", "reconnect_max_s"),
    *("reconnect_min_s", "refused_pause_s", "report_by", "report_date", "report_hour"),
    *("request_id", "response_timeout_s", "schedule_format", "session_s", "status_field"),
    *("status_operation", "status_request", "statuses", "strange_in_a_row", "system_id"),
    *("system_type", "tax_code", "tls", "user", "validity", "window", "write_timeout_s"),
    "xml_name",
}


@pytest.mark.parametrize("kind", SAY)
def test_of_every_setting_it_is_known_whether_it_bears_on_text_or_sender(kind: str) -> None:
    names = [each.name for each in fields(registry.adapter(kind).settings)]
    assert registry.content_options(kind, dict.fromkeys(names)).keys() == SAY[kind]
    assert set(names) - SAY[kind] <= SILENT


def test_of_a_third_party_s_kind_every_setting_counts_but_who_signs_in() -> None:
    given = {"sender": "A", "password": "p", "api_token": "t", "user": "u", "label": "b"}
    assert registry.content_options("another", given) == {"sender": "A", "label": "b"}

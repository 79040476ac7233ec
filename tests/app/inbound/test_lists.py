"""Messages to us by API and command: in order, of the own carrier, numbers masked; erased in time."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.campaigns import directives
from app.cli import directive_commands as letters
from app.cli import inbound_commands as command
from app.core import clock
from app.core.masking import CONTROL
from app.database.connection import Database
from app.database.models import inbound_messages
from app.inbound.inbound_writer import IncomingMessage, keep
from app.ledger.contract import Link
from app.ledger.ledger import ledger_for
from app.privacy import certificates
from app.security import create_key
from carriers.inbound import InboundMessage, MessagePart
from tests.app.campaigns.rows import new_link
from tests.app.cli.test_campaign_commands import Shell
from tests.app.client import Client
from tests.engines import by_default
from tests.long.app.privacy.past import erase, rows
from tests.long.app.reports.scene import T0

database_url = by_default

PHONE = "84912345601"
VNPT, VIETTEL = Link(1, "vnpt-1", "vnpt", 1), Link(2, "viettel-1", "viettel", 2)


def said(text: str, source: str = PHONE, **more: Any) -> InboundMessage:
    return InboundMessage(source, "8088", text, 0, text.encode(), **more)


def write(db: Database, link: Link, *messages: InboundMessage, name: str = "a") -> None:
    came = [IncomingMessage(link, each, f"{name}-{link.id}-{n}") for n, each in enumerate(messages)]
    db.write(keep, ledger_for(db), came)


def fill(db: Database) -> None:
    """Two of a carrier, three of another."""
    db.write(new_link, "vnpt-1")
    db.write(new_link, "viettel-1", carrier="viettel")
    write(db, VNPT, said("TU CHOI"), said("goi cho toi: 0912 345 602 hoac 912345601"))
    write(db, VIETTEL, said("phan mot ", part=MessagePart(7, 1, 2)), said("TU CHOI"), said("TU CHOI"))


@pytest.fixture
def kept(db: Database) -> Database:
    fill(db)
    return db


@pytest.mark.longer
def test_the_list_is_read_on_from_the_last_id(kept: Database, client: Client) -> None:
    found, after = [], 0
    while True:
        answer = client.get("/v1/inbound-messages", params={"limit": 2, "after": after}).json()
        found += answer["items"]
        if answer["next"] is None:
            break
        after = answer["next"]
    assert [each["id"] for each in found] == [1, 2, 3, 4, 5]
    assert [each["carrier"] for each in found] == ["vnpt", "vnpt", "viettel", "viettel", "viettel"]
    assert found[2]["part"] == {"reference": 7, "number": 1, "total": 2}
    assert [each["repeat_of"] for each in found] == [None, None, None, None, 4]
    first = found[0]
    assert (first["phone"], first["destination"], first["text"]) == ("8491*****01", "8088", "TU CHOI")
    assert (first["link"], first["exact"], first["data_coding"]) == ("vnpt-1", True, 0)
    assert first["received_at"].endswith("+07:00")


def test_numbers_are_masked_in_the_text_too(kept: Database, client: Client) -> None:
    text = client.get("/v1/inbound-messages").text
    assert "345601" not in text
    assert "345 602" not in text
    assert "8491*****02" in text


@pytest.mark.longer
def test_an_operator_sees_the_own_carriers_and_nobody_but_the_admin_the_others(
    kept: Database, application: FastAPI, client: Client
) -> None:
    with Client(application, kept.write(create_key, "lan", "operator", "vnpt")) as operator:
        found = operator.get("/v1/inbound-messages").json()["items"]
        assert {each["carrier"] for each in found} == {"vnpt"}
        assert operator.get("/v1/inbound-messages?carrier=viettel").status_code == 403
        assert operator.get("/v1/inbound-messages?carrier=vnpt").status_code == 200
    assert len(client.get("/v1/inbound-messages?carrier=viettel").json()["items"]) == 3
    for role in ("approver", "auditor"):
        with Client(application, kept.write(create_key, role, role)) as other:
            assert other.get("/v1/inbound-messages").status_code == 403


@pytest.mark.longer
def test_the_command_lists_them_for_people_and_for_programs(database_url: str, tmp_path: Path) -> None:
    db = Database(database_url)
    fill(db)
    db.close()
    shell = Shell(database_url, tmp_path)
    lines = shell(command.app, "list").splitlines()
    assert lines[0].split()[:4] == ["ID", "RECEIVED_AT", "CARRIER", "LINK"]
    assert len(lines) == 6
    assert "1/2" in lines[3]
    found = json.loads(shell(command.app, "list", "--carrier", "vnpt", "--after", "1", "--json"))
    assert [each["id"] for each in found] == [2]
    assert "345602" not in shell(command.app, "list").replace(" ", "")


ORDERS = "\x1b]0;loa\x07 \x1b[1A\x1b[2K \x9b2J \u202egnol"


def test_what_a_subscriber_writes_gives_the_terminal_no_orders(database_url: str, tmp_path: Path) -> None:
    """Anybody with a telephone writes to the terminal of who lists the messages."""
    db = Database(database_url)
    db.write(new_link, "vnpt-1")
    write(db, VNPT, said(f"{ORDERS}\n9  2031-02-05 12:00  vnpt  forged"))
    letter = directives.DirectiveFields("1/CV", date(2031, 1, 29), "CAT", f"x{ORDERS}\nissuer: forged")
    db.write(directives.create, letter, "lan")
    db.close()
    shell = Shell(database_url, tmp_path)
    listed, shown = shell(command.app, "list"), shell(letters.app, "show", "1")
    assert not CONTROL.search((listed + shown).replace("\n", ""))
    assert "\\u001b[2K" in listed
    assert [line.split()[0] for line in listed.splitlines()] == ["ID", "1"]
    assert [line for line in shown.splitlines() if line.startswith("issuer:")] == ["issuer: CAT"]


@pytest.mark.longer
def test_they_are_erased_so_many_days_after_they_came_with_a_certificate(kept: Database) -> None:
    assert erase(kept) == 0
    old = update(inbound_messages).where(inbound_messages.c.id <= 3)
    kept.write(lambda c: c.execute(old.values(received_at=T0)))
    assert erase(kept) == 1
    assert rows(kept, inbound_messages) == 2
    (made,) = kept.read(certificates.listed, 0, 10).items
    assert (made.kind, made.rows, made.intact) == ("inbound", {"inbound_messages": 3}, True)
    paper = certificates.text(made)
    assert "tin nhắn đến" in paper
    assert "90 ngày sau khi đến" in paper
    kept.write(lambda c: c.execute(update(inbound_messages).values(received_at=T0)))
    assert erase(kept) == 0  # once a day


@pytest.mark.longer
def test_ids_go_on_after_an_erasure(kept: Database) -> None:
    """A reader that goes on after the last id that it has seen must not be given that id again."""
    kept.write(lambda c: c.execute(update(inbound_messages).values(received_at=T0)))
    assert erase(kept) == 1
    write(kept, VNPT, said("moi"), name="b")
    (only,) = kept.read(lambda c: c.execute(inbound_messages.select()).all())
    assert only.id > 5
    assert only.received_at > clock.now_ms() - 600_000

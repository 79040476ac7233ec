"""`loa carrier`: what it shows of links, what it finds, and what its exit status says."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import update

from app.cli import app as loa
from app.cli import carrier_commands
from app.core import clock
from app.core.errors import AppError
from app.database.connection import Database
from app.database.models import links
from carriers.simulators.mobifone import Mobifone
from carriers.simulators.smsc import Smsc
from carriers.simulators.viettel import Viettel, ViettelBehaviour
from carriers.simulators.vnpt import Vnpt, VnptBehaviour
from tests.app.cli.served import served
from tests.app.cli.test_campaign_commands import Shell
from tests.app.receipts.oracle import sent, taken
from tests.app.world import FIRST_PHONE, receipt

NUMBER = "0912 345 678"
SEND = ["test-send", "smpp-1", NUMBER, "--sender", "CA SONLA", "--text", "Cảnh giác lừa đảo", "--wait", "5"]


class Desk(Shell):
    """A shell whose settings have links."""

    def links(self, **links: dict[str, object]) -> Desk:
        lines = []
        for name, link in links.items():
            values = (f"{key} = {json.dumps(value)}" for key, value in link.items())
            lines += [f"[links.{name.replace('_', '-')}]", *values]
        Path(self.env["LOA_CONFIG"]).write_text("\n".join(lines), encoding="utf-8")
        return self


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Desk:
    return Desk(database_url, tmp_path)


def smpp(centre: Smsc, **more: object) -> dict[str, object]:
    own: dict[str, object] = {"carrier": "viettel", "host": "127.0.0.1", "port": centre.port}
    own |= {
        "system_id": "loa",
        "password": "s3cr3t-w0",
        "segments_per_second": 50,
        "receipt_level": "handset",
    }
    return own | {"test_numbers": ["84912345678"], "response_timeout_s": 1.0} | more


def vnpt(simulated: Vnpt, **more: object) -> dict[str, object]:
    own: dict[str, object] = {"carrier": "vnpt", "kind": "vnpt", "base_url": simulated.url, "password": "p"}
    own |= {"user": "u", "portal_user": "SONLA_CA", "agent_id": "999", "contract_id": "70001"}
    own |= {"label_id": "900101", "label": "CONGAN", "traffic": "cskh", "templates.800123": "{D,160}"}
    return own | {"segments_per_second": 5, "answer_timeout_s": 2, "read_pause_s": 0.01} | more


def viettel(simulated: Viettel, **more: object) -> dict[str, object]:
    own: dict[str, object] = {"carrier": "viettel", "kind": "viettel", "base_url": simulated.url}
    own |= {"user": "u", "password": "p", "cp_code": "SLA_CA", "segments_per_second": 5}
    return own | {"answer_timeout_s": 2, "read_pause_s": 0.01} | more


def refusal(shell: Desk, *words: str) -> str:
    """What a refused command says."""
    result = shell.run(carrier_commands.app, *words)
    assert isinstance(result.exception, AppError), result.output
    return result.exception.detail


def test_the_command_is_one_of_loas(shell: Desk) -> None:
    assert "test-send" in shell(loa, "carrier", "--help")


@pytest.mark.longer
def test_the_list_says_what_can_be_done_with_each_link(shell: Desk) -> None:
    with served(Smsc()) as centre, served(Viettel()) as soap:
        shell.links(smpp_1=smpp(centre, poll="all"), soap_1=viettel(soap))
        table = shell(carrier_commands.app, "list").splitlines()
        first = json.loads(shell(carrier_commands.app, "list", "--json"))[0]
    assert "delivers receipts, can be queried about a message, can be checked" in table[1]
    assert "lists failures, provides its own figures, can be checked" in table[2]
    assert (first["receipts"], first["poll"], first["test_numbers"]) == ("handset", "all", 1)
    assert "s3cr3t" not in "".join(table)


@pytest.mark.longer
def test_a_check_that_finds_all_well_ends_well(shell: Desk) -> None:
    with served(Smsc()) as centre, served(Vnpt()) as simulated:
        shell.links(smpp_1=smpp(centre), api_1=vnpt(simulated))
        assert shell(carrier_commands.app, "check", "smpp-1").startswith(
            "smpp-1: good  The bind as transceiver"
        )
        found = json.loads(shell(carrier_commands.app, "check", "vnpt", "--json"))
        assert centre.report()["submits"] == 0
        assert list(simulated.numbers()) == []
    assert {each["link"] for each in found} == {"api-1"}
    assert all(each["good"] for each in found), found


def test_a_check_by_the_carriers_name_looks_at_all_its_links_and_fails_with_one(shell: Desk) -> None:
    with served(Smsc(accounts={"loa": "another"})) as one, served(Smsc()) as other:
        shell.links(first=smpp(one), second=smpp(other))
        result = shell.run(carrier_commands.app, "check", "viettel")
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert lines[0].startswith("first: BAD   The bind is refused (0x0E)")
    assert lines[1].startswith("second: good")
    assert "s3cr3t" not in result.output


def test_a_link_that_can_not_be_built_is_a_finding(shell: Desk) -> None:
    with served(Smsc()) as centre:
        shell.links(first=smpp(centre, windw=3), second=smpp(centre))
        result = shell.run(carrier_commands.app, "check", "viettel")
    assert result.exit_code == 1
    assert "has no setting windw" in result.stdout


def test_an_unknown_name_is_answered_with_those_there_are(shell: Desk) -> None:
    with served(Smsc()) as centre:
        shell.links(smpp_1=smpp(centre))
        assert "Available links: smpp-1" in refusal(shell, "check", "vietel")
        assert "loa carrier list" in refusal(shell, "test-send", "x", *SEND[2:])


@pytest.mark.longer
def test_a_test_message_is_sent_and_followed(shell: Desk) -> None:
    with served(Smsc()) as centre:
        shell.links(smpp_1=smpp(centre))
        lines = shell(carrier_commands.app, *SEND).splitlines()
        assert centre.copies(84912345678) == 1
    assert lines[0].startswith("Sending one message of 1 SMS part(s) over smpp-1 as CA SONLA, key test-")
    assert lines[1].startswith("The carrier accepted the message")
    assert lines[2].startswith("Delivered to the handset")


def test_programs_get_all_of_it_as_json(shell: Desk) -> None:
    with served(Smsc()) as centre:
        shell.links(smpp_1=smpp(centre))
        told = json.loads(shell(carrier_commands.app, *SEND, "--json"))
    assert (told["number"], told["result"], told["good"]) == (NUMBER, "accepted", True)
    assert told["receipts"][0]["status"] == "delivered"


def test_a_message_that_is_refused_ends_with_a_bad_status(shell: Desk) -> None:
    with served(Smsc()) as centre:
        shell.links(smpp_1=smpp(centre))
        centre.change(refusals="0x0A=1")
        result = shell.run(carrier_commands.app, *SEND)
    assert result.exit_code == 1
    assert "permanently rejected the message (0x0A: filtered)" in result.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["0987654321", "--text", "x"], "0987****21 is not a test number of link smpp-1"),
        ([NUMBER], "Provide either --text-key (a text from messages/) or --text (your own"),
        (
            [NUMBER, "--text", "x", "--text-key", "gia-danh-cong-an"],
            "Provide either --text-key (a text from messages/) or --text (your own",
        ),
        ([NUMBER, "--text", " "], "--text is empty"),
        ([NUMBER, "--text-key", "nothing"], 'Text "nothing" does not exist in messages/'),
    ],
)
def test_what_may_not_be_sent_is_refused_in_words(shell: Desk, words: list[str], sentence: str) -> None:
    with served(Smsc()) as centre:
        shell.links(smpp_1=smpp(centre))
        assert sentence in refusal(shell, "test-send", "smpp-1", "--sender", "CA SONLA", *words)
        assert centre.report()["binds"] == 0


@pytest.mark.longer
def test_a_text_of_messages_goes_out_in_the_form_that_is_asked_for(shell: Desk) -> None:
    key = [*SEND[:5], "--text-key", "gia-danh-cong-an", "--wait", "5"]
    with served(Smsc()) as centre:
        shell.links(smpp_1=smpp(centre))
        plain = shell(carrier_commands.app, *key).splitlines()[0]
        accented = shell(carrier_commands.app, *key, "--form", "accented").splitlines()[0]
    assert plain.split("SMS")[0] < accented.split("SMS")[0]  # more parts


def today() -> date:
    return clock.local(clock.now()).date()


def listed_failures(database_url: str) -> None:
    """Three messages of the link soap-1: one delivered, two open."""
    db = Database(database_url)
    world = sent(db, [taken(f"m{n}") for n in range(3)])
    db.write(world.ledger.apply, [receipt(world.link, "m0")])
    db.write(lambda c: c.execute(update(links).values(name="soap-1", receipt_group="soap-1")))
    db.close()


@pytest.mark.longer
def test_failures_are_shown_masked_and_told_to_the_ledger_only_on_order(
    shell: Desk, database_url: str
) -> None:
    listed_failures(database_url)
    numbers = [str(FIRST_PHONE + nth) for nth in (1, 7)]
    words = ["failures", "soap-1", "--day", str(today()), "--sender", "CA SONLA"]
    with served(Viettel(ViettelBehaviour(outcomes="UNDELIV/001=1"))) as soap:
        shell.links(soap_1=viettel(soap, test_numbers=numbers))
        for number in numbers:
            said = ["--sender", "CA SONLA", "--text", "Canh giac", "--wait", "0"]
            shell(carrier_commands.app, "test-send", "soap-1", number, *said)
        shown = shell(carrier_commands.app, *words)
        result = shell.run(carrier_commands.app, *words, "--apply")
        again = shell.run(carrier_commands.app, *words, "--apply")
    assert shown.count("8491*****0") == 2
    assert not any(number in shown for number in numbers)
    assert "2 entries: 1 new to the ledger, 0 already known, 1 not from Loa" in result.stderr
    assert "2 entries: 0 new to the ledger, 1 already known, 1 not from Loa" in again.stderr


@pytest.mark.longer
def test_the_carriers_own_figures_stand_beside_ours(shell: Desk, database_url: str) -> None:
    listed_failures(database_url)
    days = ["--from", str(today()), "--to", str(today())]
    with served(Viettel()) as soap:
        shell.links(soap_1=viettel(soap, test_numbers=["84912345678"]))
        shell(carrier_commands.app, "test-send", "soap-1", NUMBER, *SEND[3:])
        told = json.loads(shell(carrier_commands.app, "figures", "soap-1", *days, "--json"))
        shown = shell(carrier_commands.app, "figures", "soap-1", *days)
    ours = {each["state"]: each["messages"] for each in told["our_ledger"]}
    assert ours == {"submitted": 2, "delivered": 1}  # the test message is in no ledger
    assert any(each["count"] == 1 for each in told["the_carriers_own"])
    assert shown.index("The carrier's own figures") < shown.index("The ledger, for")


@pytest.mark.longer
def test_links_without_figures_or_lists_say_so(shell: Desk) -> None:
    with served(Smsc()) as centre:
        shell.links(smpp_1=smpp(centre))
        days = ["--from", "2026-02-01", "--to", "2026-02-02"]
        assert "Link smpp-1: links of kind smpp do not provide figures" in refusal(
            shell, "figures", "smpp-1", *days
        )
        backwards = ["--from", "2026-02-03", "--to", "2026-02-02"]
        assert "--from must be before --to" in refusal(shell, "figures", "smpp-1", *backwards)
        list_ = ["failures", "smpp-1", "--day", "2026-02-01", "--sender", "X"]
        assert "Link smpp-1: links of kind smpp do not provide a list of failures" in refusal(shell, *list_)


@pytest.mark.longer
def test_a_carrier_that_can_not_be_read_is_a_sentence(shell: Desk) -> None:
    with served(Viettel(ViettelBehaviour(account="other:password"))) as soap:
        shell.links(soap_1=viettel(soap))
        words = ["failures", "soap-1", "--day", "2026-02-01", "--sender", "X"]
        assert refusal(shell, *words).startswith("Link soap-1: ")


@pytest.mark.longer
def test_each_carriers_own_interface_can_be_checked_and_tried_out(shell: Desk) -> None:
    with (
        served(Mobifone()) as pages,
        served(Viettel()) as soap,
        served(Vnpt(VnptBehaviour(label="CA SONLA"))) as api,
    ):
        numbers = {"test_numbers": ["84912345678"]}
        link: dict[str, object] = {"carrier": "mobifone", "kind": "mobifone", "base_url": pages.url}
        link |= {"user": "u", "password": "p", "segments_per_second": 5}
        named = {"pages": link, "soap": viettel(soap), "api": vnpt(api, label="CA SONLA")}
        shell.links(**{name: each | numbers for name, each in named.items()})
        for name in named:
            checked = shell.run(carrier_commands.app, "check", name)
            assert checked.exit_code == 0, checked.output
            told = shell.run(carrier_commands.app, "test-send", name, *SEND[2:-1], "1").stdout.splitlines()
            assert told[1].startswith("The carrier accepted the message"), told
        assert [each.copies("84912345678") for each in (pages, soap, api)] == [1, 1, 1]

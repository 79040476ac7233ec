"""What the base of simulated carriers keeps and counts, and what becomes of messages."""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from pathlib import Path

import pytest

from carriers.simulators.smsc import Smsc
from tests.long.carriers.simulators.esme import until
from tests.long.carriers.simulators.plain import PHONE, phones, plain, send


async def test_what_was_sent_is_kept_and_counted_by_number() -> None:
    async with plain() as (carrier, client):
        for phone in [*phones(5), phones(5)[0], phones(5)[0]]:
            await send(client, phone, "Cảnh báo")
        report = carrier.report()
        assert carrier.copies(phones(5)[0]) == 3
        assert list(carrier.numbers()) == phones(5)
        assert {(message.text, message.sender) for message in carrier.messages} == {("Cảnh báo", "LOA")}
        assert [asked.fields["to"] for asked in carrier.requests][:2] == phones(2)
    assert (report["submits"], report["messages"], report["distinct_numbers"]) == (7, 7, 5)
    assert (report["copies_max"], report["numbers_twice"]) == (3, 1)
    assert report["numbers_by_copies"] == {"1": 4, "3": 1}
    assert report["answers"] == {"taken": 7}


async def test_its_report_has_the_figures_that_the_one_over_smpp_has() -> None:
    # What has no meaning over HTTP: binds, PDUs and parts.
    only_smpp = {"binds", "binds_refused", "parts", "parts_by_state", "garbage_sent", "receipts_foreign"}
    only_smpp |= {"queries"}
    async with plain() as (carrier, _), Smsc() as smsc:
        of_both = {
            key for key in smsc.report() if not key.startswith("inbound_")
        }  # no carrier over HTTP sends any
        assert of_both - only_smpp <= carrier.report().keys()


async def test_long_texts_are_so_many_segments() -> None:
    async with plain() as (carrier, client):
        await send(client, text="a" * 161)
        await send(client, text="ạ" * 70)
        assert carrier.report()["segments"] == 3


async def test_a_share_is_throttled() -> None:
    async with plain(throttle=0.3) as (_, client):
        said = Counter([await send(client, phone) for phone in phones(300)])
    assert 60 <= said["too fast"] <= 120


async def test_numbers_are_refused_by_their_ending() -> None:
    async with plain(refused="7, 00") as (carrier, client):
        said = {phone: await send(client, phone) for phone in phones(101)}
        assert carrier.report()["refused"] == 12
    assert {phone for phone, words in said.items() if words == "refused"} == {
        phone for phone in phones(101) if phone.endswith(("7", "00"))
    }


@pytest.mark.prove
async def test_fates_follow_from_seed_and_number_whatever_the_order() -> None:
    fates = []
    for order in (1, -1):
        async with plain(seed=3, outcomes="UNDELIV/001=0.2,EXPIRED=0.1") as (carrier, client):
            for phone in phones(200)[::order]:
                await send(client, phone)
            fates.append({message.phone: message.outcome for message in carrier.messages})
    assert fates[0] == fates[1]
    counts = Counter(outcome.status for outcome in fates[0].values())
    assert set(counts) == {"DELIVRD", "UNDELIV", "EXPIRED"}
    assert 20 <= counts["UNDELIV"] <= 65
    assert {outcome.error for outcome in fates[0].values()} == {"000", "001"}


async def test_a_fate_comes_about_in_its_time_with_nobody_to_tell() -> None:
    async with plain(receipt_delay_s=0.1) as (carrier, client):
        await send(client)
        assert carrier.messages[0].status == ""
        assert carrier.report()["messages_en_route"] == 1
        assert carrier.idle_s() == 0
        await until(carrier.idle_s)
        assert carrier.messages[0].status == "DELIVRD"
        assert carrier.report()["receipts_due"] == 1


async def test_the_result_file_has_every_message_and_what_became_of_it(tmp_path: Path) -> None:
    async with plain(outcomes="UNDELIV/027=1", unreported=1.0) as (carrier, client):
        await send(client)
        await asyncio.sleep(0.05)
        carrier.write_results(tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        header, row = csv.reader(file)
    assert header == ["number", "status", "error", "time"]
    assert row[:3] == [PHONE, "UNDELIV", "027"]
    assert len(row[3]) == len("2026-11-25 16:00:00")

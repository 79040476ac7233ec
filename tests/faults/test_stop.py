"""SIGTERM in mid-run, and a second Loa on one folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.core.states import DeliveryState
from carriers.simulators.smsc import Smsc, SmscBehaviour
from loa_client import LoaClient
from tests.engines import other_by_hand
from tests.faults.processes import Home, smpp_link
from tests.faults.view import View, queue


@other_by_hand
async def test_sigterm_in_mid_run_leaves_no_claim_and_nothing_unknown(home: Home) -> None:
    queue(home.url, 1500)
    view = View(home.url)
    async with Smsc(SmscBehaviour(answer_delay_s=0.1, receipt_delay_s=0.2)) as smsc:
        home.configure({"viettel-1": smpp_link("viettel", smsc.port, segments_per_second=500)})
        first = home.sender()
        await home.until(lambda: smsc.taken() >= 500, "500 are sent")
        assert await first.stop() == 0, first.words()
        assert view.leases() == 0
        assert set(smsc.numbers()) == view.phones(DeliveryState.SUBMITTED, DeliveryState.DELIVERED)
        assert view.phones(DeliveryState.UNKNOWN) == set()
        second = home.sender()
        await home.until(view.over, "the run is finished")
        assert await second.stop() == 0, second.words()
        assert (smsc.report()["distinct_numbers"], smsc.report()["copies_max"]) == (1500, 1)
    assert view.states() == {DeliveryState.DELIVERED: 1500}


@other_by_hand
async def test_sigterm_beside_a_centre_that_answers_no_message_sends_nothing_more(home: Home) -> None:
    """It ends within the time for an answer, whatever waits in the link's queue."""
    queue(home.url, 3000)
    view = View(home.url)
    async with Smsc(SmscBehaviour(answer_delay_s=0.01)) as smsc:
        link = smpp_link("viettel", smsc.port, segments_per_second=1000, window=10, response_timeout_s=5)
        home.configure({"viettel-1": link})
        sender = home.sender()
        await home.until(lambda: smsc.taken() >= 100, "100 are sent")
        smsc.change(unanswered=1.0)
        await asyncio.sleep(1)
        taken = smsc.taken()
        assert await sender.stop() == 0, sender.words()
        assert smsc.taken() == taken
    unknown = view.phones(DeliveryState.UNKNOWN)
    assert 0 < len(unknown) <= 10
    assert len(view.phones(DeliveryState.QUEUED)) == 3000 - taken
    assert view.leases() == 0


@other_by_hand
async def test_sigterm_before_anything_is_ready_ends_in_order(home: Home) -> None:
    home.configure({})
    for program in home.all():
        await home.until(lambda log=program.log: log.stat().st_size > 0, "it says that it lives")
        assert await program.stop() == 0, program.words()


@pytest.mark.prove
@pytest.mark.parametrize("second", [("up",), ("database", "restored")])
async def test_a_second_loa_that_sends_or_restores_on_one_sqlite_folder_is_refused_in_words(
    sqlite_home: Home, second: tuple[str, ...]
) -> None:
    home = sqlite_home
    home.configure({})
    first = home.start("up")
    await home.until(lambda: "listening" in first.words(), "the first one serves")
    said = (await home.command(*second, status=1)).replace("\n", " ")
    begins = f"loa: Another Loa (process {first.process.pid}) is using the folder {home.folder}. "
    assert said.startswith(begins + "With SQLite only one process can send. Stop the other process,")
    assert "LOA_DATA" in said
    assert "LOA_DATABASE_URL" in said
    assert first.alive()
    assert await first.stop() == 0, first.words()
    assert await home.command("key", "list") is not None


@pytest.mark.prove
async def test_commands_work_beside_a_loa_that_sends_from_a_sqlite_folder(
    sqlite_home: Home, tmp_path: Path
) -> None:
    """They write while it writes, it obeys them, and nothing is lost or sent twice."""
    home, view = sqlite_home, View(sqlite_home.url)
    queue(home.url, 1500)
    (tmp_path / "more.csv").write_text("phone\n0981234567\n", encoding="utf-8")
    async with Smsc(SmscBehaviour(receipt_delay_s=0.1)) as smsc:
        home.configure({"viettel-1": smpp_link("viettel", smsc.port, segments_per_second=500)})
        up = home.start("up")
        await home.until(lambda: smsc.taken() >= 100, "the first are sent")
        assert await home.command("run", "pause", "1") == "Run 1 is paused."
        assert "1 accepted" in await home.command(
            "batch", "import", str(tmp_path / "more.csv"), "--carrier", "viettel"
        )
        key = (await home.command("key", "add", "beside", "--role", "auditor")).strip()
        home.programs.append(up)  # whose end would end the waits
        with LoaClient(home.base, key) as loa:
            await home.until(lambda: loa.get_run(1).progress["queued"].messages > 0, "it has paused")
        assert "paused" in await home.command("run", "show", "1")
        await home.command("run", "resume", "1")
        home.programs.append(up)  # whose end would end the wait
        await home.until(view.over, "the run is finished")
        assert (smsc.report()["distinct_numbers"], smsc.report()["copies_max"]) == (1500, 1)
        await home.command("audit", "verify")
        await home.command("verify")
        assert await up.stop() == 0, up.words()


@pytest.mark.parametrize("apart", ["serve", "worker"])
async def test_serve_and_worker_do_not_run_apart_on_sqlite(sqlite_home: Home, apart: str) -> None:
    sqlite_home.configure({})
    said = await sqlite_home.command(apart, status=1)
    assert f"`loa {apart}` cannot run separately" in said


@other_by_hand
async def test_a_port_that_is_taken_is_said_in_a_sentence(home: Home) -> None:
    """The operator who starts a second one by mistake is told so, and nothing is sent meanwhile."""
    queue(home.url, 500)
    async with Smsc(port=0) as smsc:
        home.configure({"viettel-1": smpp_link("viettel", smsc.port)})
        home.port = smsc.port
        api = home.start("up" if home.sqlite else "serve")
        assert await api.ended() == 1, api.words()
        assert api.words().startswith(f"loa: Loa cannot listen on 127.0.0.1 port {home.port} (")
        assert smsc.report()["submits"] == 0


async def test_a_link_that_is_set_wrongly_is_refused_before_anything_is_served(sqlite_home: Home) -> None:
    sqlite_home.configure({"viettel-1": smpp_link("viettel", 1, window=0)})
    said = await sqlite_home.command("up", status=1)
    assert "Link viettel-1: window must be a whole number" in said
    assert "listening" not in said

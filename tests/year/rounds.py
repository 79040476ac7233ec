"""What happens in each of the rounds: six kinds, one after the other, four times in a year."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Select, select

from app.core.states import ChunkState, DeliveryState
from app.database.connection import Database
from app.database.models import chunks, deliveries, unknowns
from tests.year import checks
from tests.year.carriers import Late, dated
from tests.year.costs import Costs
from tests.year.life import CANCELLED, FINISHED, PAUSED, SENT, Year
from tests.year.stores import Store
from tests.year.times import move_back

KINDS = 6
DAYS = 15
# Before the sixth round five days more, so that receipts are 20 and 80 days late, and before the next less.
_LATE_BY = 5
_AHEAD_S = 86_400.0
_SMALL = 3  # a campaign beside the main one has a third of its size


def days_before(number: int) -> int:
    """How many days pass before a round, 15 on the average."""
    if number % KINDS == 0:
        return DAYS + _LATE_BY
    return DAYS - _LATE_BY * (number > KINDS and number % KINDS == 1)


async def live(year: Year, store: Store, costs: Costs) -> None:
    """All rounds, each with its checks."""
    await year.begin()
    for number in range(1, year.plan.rounds + 1):
        if number > 1:
            _pass_days(year, days_before(number))
        await _round(year, store, costs, number)
        costs.note_sweeps(number)
    await year.http.aclose()


def _pass_days(year: Year, days: int) -> None:
    """So many days later: what waited for receipts has waited long enough, and windows are over."""
    db = Database(year.home.url)
    try:
        move_back(db, days, year.home.folder / "audit-heads")
    finally:
        db.close()
    for run, state in year.expected.items():
        if state in (SENT, PAUSED) and run not in year.held_over:
            year.expected[run] = FINISHED


async def _round(year: Year, store: Store, costs: Costs, number: int) -> None:
    kind = (number - 1) % KINDS + 1
    year.say(round=number, kind=kind)
    if kind == 3:
        year.carriers.vnpt_link += 1
    if kind == 4:
        await year.carriers.ids_begin_again()
    year.configure()
    await year.start()
    await _go_on(year)
    await _bring_late_ones(year, number)
    if costs.measures(number):
        await checks.calm(year)
        await costs.measure(number)
    year.say(serves=True)
    main = await _KINDS[kind](year, store, number)
    year.say(done=True)
    await checks.calm(year)
    year.say(calm=True)
    await _freeze(year, main["vnpt"], at_once=kind != 5)
    await year.stop()
    await checks.at_rest(year)


async def _freeze(year: Year, run: int, at_once: bool) -> None:
    """Of a run that a wrong clock has begun tomorrow a report is refused today; it comes a round later."""
    if not year.plan.papers:
        return
    year.without_report.append(run)
    while at_once and year.without_report:
        report = await year.freeze(year.without_report.pop(0))
        assert not report["interim"], report


async def _go_on(year: Year) -> None:
    """Runs that were left paused over the days, their windows still open."""
    for run in year.held_over:
        await year.act(run, "resume", FINISHED)
        await year.until(lambda run=run: year.run_states()[run] == FINISHED, f"run {run} goes on to its end")
    year.held_over.clear()


async def _main(year: Year, days: int | None = 10, share: float = 1.0) -> dict[str, int]:
    """The round's campaign over all carriers, started."""
    size = round(year.plan.size * share)
    own = await year.campaign({"vnpt": size, "mobifone": size, "viettel": size}, days)
    await year.start_all(own)
    return own


def _small(year: Year) -> int:
    return max(10, year.plan.size // _SMALL)


# ---- receipts that come weeks late ------------------------------------------------------------------------


async def _send_late(year: Year, rounds: int, number: int, days: int) -> None:
    """A campaign whose receipts come so many rounds later, with the date of then.

    Those that bear the date of their coming are looked for that far back after an hour of looks in vain.
    """
    centre = year.carriers.vnpt
    kept = centre.keep_back()
    own = await year.campaign({"vnpt": _small(year)})
    await year.act(own["vnpt"], "start", SENT)
    await year.until(lambda: len(kept) == _small(year), "all of the late ones are taken")
    centre.keep_back_no_more()
    year.lates.append(Late(own["vnpt"], kept, number + rounds, days))
    await year.until(lambda: year.run_states()[own["vnpt"]] == SENT, "they are recorded")
    if days < year.plan.retention_days:
        assert (await year.freeze(own["vnpt"]))["interim"]


async def _bring_late_ones(year: Year, number: int) -> None:
    """Their receipts move them weeks later and restate the report, or match nothing once they are erased."""
    for late in [each for each in year.lates if each.due_round == number]:
        year.lates.remove(late)
        before = _delivered(year, late.run)
        with dated(year.carriers.vnpt, late.days):
            year.carriers.vnpt.conclude(late.messages)
            await year.until(lambda: year.carriers.outstanding() == 0, "late receipts are acknowledged")
        year.say(late=late.days, before=before, after=_delivered(year, late.run))
        if late.days < year.plan.retention_days:
            await _restated(year, late)


async def _restated(year: Year, late: Late) -> None:
    wanted = sum(message.plan.outcome.stat == b"DELIVRD" for message in late.messages)

    def told() -> bool:
        return _delivered(year, late.run) == wanted

    await year.until(told, f"receipts {late.days} days late have moved their messages")
    version = await year.freeze(late.run)
    assert version["version"] >= 2, version
    assert version["changes"], version


def _delivered(year: Year, run: int) -> int:
    d = deliveries.c
    return len(year.view.rows(select(d.seq).where(d.run_id == run, d.state == DeliveryState.DELIVERED)))


# ---- the kinds --------------------------------------------------------------------------------------------


async def plain(year: Year, store: Store, number: int) -> dict[str, int]:
    """Nothing but work, and a campaign whose receipts come 80 days late."""
    await _send_late(year, 5, number, 80)
    return await _main(year)


async def killed(year: Year, store: Store, number: int) -> dict[str, int]:
    """kill -9 in mid-run; what nobody knows then is sent again once the carriers' receipts are all there."""
    before = year.carriers.taken("vnpt")
    own = await _main(year)
    await year.until(lambda: year.carriers.taken("vnpt") >= before + year.plan.size // 3, "a third is sent")
    await year.kill_sender()
    mark = list(year.marks)[-1]

    def settled() -> bool:
        return not year.view.rows(_under_way(own)) and not year.view.listed() & year.took(mark)

    await year.until(settled, "all that the carriers have is known")
    year.say(unknown=len(year.view.listed()))
    for run in own.values():
        if year.view.rows(_unknown_of(run)):
            await year.ask("POST", f"/v1/runs/{run}/unknown/resend", json={"all": True})
    return own


def _under_way(own: dict[str, int]) -> Select[Any]:
    d = deliveries.c
    open_ = (DeliveryState.QUEUED, DeliveryState.SUBMITTED)
    return select(d.seq).where(d.run_id.in_(own.values()), d.state.in_(open_))


def _unknown_of(run: int) -> Select[Any]:
    return select(unknowns.c.seq).where(unknowns.c.run_id == run)


async def cancelled(year: Year, store: Store, number: int) -> dict[str, int]:
    """A link has another name from now on; a run is cancelled in the middle, another stands until later."""
    own = await year.campaign({"viettel": year.plan.size})
    before = year.carriers.taken("viettel")
    await year.act(own["viettel"], "start", CANCELLED)
    await year.until(lambda: year.carriers.taken("viettel") > before, "its first messages are sent")
    await year.act(own["viettel"], "cancel", CANCELLED)
    held = await year.campaign({"mobifone": year.plan.size}, days=40)
    before = year.carriers.taken("mobifone")
    await year.act(held["mobifone"], "start", PAUSED)
    await year.until(lambda: year.carriers.taken("mobifone") > before, "some of it is sent")
    await year.act(held["mobifone"], "pause", PAUSED)
    await _receipts_of(year, held["mobifone"])
    year.held_over.append(held["mobifone"])
    return await _main(year)


async def unending(year: Year, store: Store, number: int) -> dict[str, int]:
    """A carrier gives its ids again and reports not all; a run has no window; one outlives its own."""
    year.carriers.mobifone.change(unreported=0.1)
    all_of_it = year.carriers.taken("mobifone") + year.plan.size
    own = await _main(year, days=None)
    year.expected[own["mobifone"]] = SENT
    await year.until(lambda: year.carriers.taken("mobifone") >= all_of_it, "mobifone has all")
    year.carriers.mobifone.change(unreported=0.0)
    paused = await year.campaign({"vnpt": _small(year)})
    await year.act(paused["vnpt"], "start", PAUSED)
    await year.act(paused["vnpt"], "pause", PAUSED)
    await _receipts_of(year, paused["vnpt"])
    return own


async def _receipts_of(year: Year, run: int) -> None:
    """Wait for receipts of what went out before the pause: two weeks later they would match nothing.

    What is on its way while the pause is given is not submitted yet: a chunk is still held for it.
    """
    d, c = deliveries.c, chunks.c
    held = select(c.first_seq).where(c.run_id == run, c.state == ChunkState.LEASED)
    sent = select(d.seq).where(d.run_id == run, d.state == DeliveryState.SUBMITTED)
    await year.until(
        lambda: not year.view.rows(held) and not year.view.rows(sent),
        f"what run {run} sent before its pause has its receipts",
    )


async def wrong_clock(year: Year, store: Store, number: int) -> dict[str, int]:
    """Receipts that come 20 days late; then a clock that is one day wrong on one host until it is set right.

    Ahead, the next time behind. Where that is the API's host, signed webhooks are put off meanwhile: the
    carrier brings them again.
    """
    await _send_late(year, 1, number, 20)
    await checks.calm(year)
    await year.stop()
    await year.start(wrong_clock_s=_AHEAD_S if number % (2 * KINDS) == 5 else -_AHEAD_S)
    own = await _main(year)
    over = {SENT, FINISHED}
    await year.until(lambda: {year.run_states()[run] for run in own.values()} <= over, "all is sent")
    await year.stop()
    await year.start()
    return own


async def restored(year: Year, store: Store, number: int) -> dict[str, int]:
    """A backup takes the place of the database; what was sent since is settled by its receipts."""
    centre, size = year.carriers.vnpt, 2 * year.plan.size
    kept, before = centre.keep_back(), centre.taken()
    own = await year.campaign({"vnpt": size})
    await year.ask("PUT", f"/v1/runs/{own['vnpt']}/rate", json={"segments_per_second": year.plan.rate // 10})
    await year.act(own["vnpt"], "start", FINISHED)
    await year.until(lambda: centre.taken() >= before + size // 4, "a quarter is sent")
    await store.back_up()
    await year.until(lambda: centre.taken() >= before + size // 2, "a half is sent")
    await year.stop()
    await store.put_back()
    await _person_speaks(year)
    centre.keep_back_no_more()
    centre.conclude(kept)
    mark = list(year.marks)[-1]
    left = size - len(year.took(mark))
    await year.until(lambda: len(year.view.rows(_unknown_of(own["vnpt"]))) == left, "what it has is settled")
    year.say(restored=size, unknown=left)
    if left:
        await year.ask("POST", f"/v1/runs/{own['vnpt']}/unknown/resend", json={"all": True})
    return await _main(year)


async def _person_speaks(year: Year) -> None:
    """What sends stands until somebody has said that the database was put back."""
    sender, before = year.home.sender(), year.carriers.vnpt.taken()
    await year.until(lambda: "restored" in year.link_codes(), "the links are halted", dead=True)
    assert await sender.stop() == 0, sender.words()
    await year.home.command("database", "restored")
    await year.home.command("database", "entered-again")
    assert year.carriers.vnpt.taken() == before
    await year.start()


_KINDS: dict[int, Callable[[Year, Store, int], Awaitable[dict[str, int]]]] = {
    1: plain,
    2: killed,
    3: cancelled,
    4: unending,
    5: wrong_clock,
    6: restored,
}

"""A centre that keeps the bind, answers enquire_link and takes messages, but answers none of them.

Within 15 s each page that depends on the link is red and says since when: pages left open, which move by
JavaScript, and pages that are loaded again without it.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Error, Page, async_playwright

from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.e2e.conftest import CHROMIUM, OPTIONS
from tests.faults.processes import Home, smpp_link
from tests.faults.view import queue

BUILD = Path(__file__).parents[2] / "build"
RED_WITHIN_S, PATIENCE_S = 15.0, 60.0
SAID = "đang chờ nhà mạng trả lời"
# Where it has to be red, and what of the page says so.
PLACES = {
    "/runs/1": f'badge bad">{SAID}',
    "/campaigns/1": f'badge bad">{SAID}',
    "/links": 'badge bad">đang chờ trả lời',
    "/": f"Kết nối viettel-1 của Viettel: {SAID}",  # the list of what is to be done
}
SINCE = re.compile(r"từ \d\d:\d\d")


async def red_after(moment: float, looks: Callable[[], Coroutine[object, object, str]], path: str) -> float:
    while True:
        page = re.sub(r"\s+", " ", re.sub(r"<(?!span class=\"badge)[^>]*>", "", await looks()))
        if PLACES[path] in page and SINCE.search(page):
            return time.monotonic() - moment
        assert time.monotonic() - moment < PATIENCE_S, f"{path} is not red: {page}"
        await asyncio.sleep(0.2)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is on the path")
@pytest.mark.timeout(240)
async def test_a_link_that_answers_nothing_is_red_within_fifteen_seconds_on_every_page(home: Home) -> None:
    queue(home.url, 8_000)
    async with Smsc(SmscBehaviour(answer_delay_s=0.2, receipt_delay_s=0.2)) as smsc:
        home.configure({"viettel-1": smpp_link("viettel", smsc.port, segments_per_second=100, window=100)})
        headers = {"Authorization": f"Bearer {await home.command('key', 'add', 'clerk')}"}
        headers["Accept-Language"] = "vi"
        async with async_playwright() as player:
            browser = await player.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
            context = await browser.new_context(extra_http_headers=headers, base_url=home.base)
            home.all()
            await home.until(lambda: smsc.taken() >= 500, "it sends")
            opened: dict[str, Page] = {}
            for path in PLACES:
                opened[path] = await context.new_page()
                await opened[path].goto(path)
            async with httpx.AsyncClient(base_url=home.base, headers=headers, timeout=30) as http:
                figures = await _deaf(smsc, opened, http)
            await browser.close()
    BUILD.mkdir(exist_ok=True)
    file = BUILD / f"deaf-link-{'sqlite' if home.sqlite else 'postgresql'}.json"
    file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    assert max(figures.values()) <= RED_WITHIN_S, figures


async def _shown(page: Page) -> str:
    try:
        return await page.content()
    except Error:  # it is being loaded again
        return ""


async def _deaf(smsc: Smsc, opened: dict[str, Page], http: httpx.AsyncClient) -> dict[str, float]:
    async def loaded(path: str) -> str:
        return (await http.get(path)).text

    smsc.change(unanswered=1.0, unreported=1.0)
    began = time.monotonic()
    waits = {f"{path} open": red_after(began, partial(_shown, page), path) for path, page in opened.items()}
    waits |= {f"{path} loaded": red_after(began, partial(loaded, path), path) for path in PLACES}
    return dict(zip(waits, await asyncio.gather(*waits.values()), strict=True))

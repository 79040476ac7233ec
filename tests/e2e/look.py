"""How a page is looked at in Chromium: for whom it can't be read, how wide it is, how much it loads."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Response
from playwright.sync_api import TimeoutError as PlaywrightTimeout

SCREENS = Path(__file__).parents[2] / "build" / "screens"
WIDTHS = {1920: 1080, 1440: 900, 1366: 768, 1280: 800, 1024: 768, 390: 844}
PICTURED = (1440, 1024, 390)
MOST_BYTES, MOST_REQUESTS, MOST_HIGH = 150_000, 6, 4_000
_EVERYTHING: dict[str, Any] = {"resultTypes": ["violations"]}
_COLOURS = _EVERYTHING | {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
_SCHEMES: dict[Literal["light", "dark"], dict[str, Any]] = {"light": _EVERYTHING, "dark": _COLOURS}
WIDER = """() => {
  const page = document.documentElement, found = [];
  for (const box of document.querySelectorAll(".box"))
    if (box.scrollWidth > box.clientWidth + 1) found.push(box.getAttribute("aria-label"));
  if (page.scrollWidth <= page.clientWidth) return found;
  for (const each of document.querySelectorAll("body *"))
    if (each.getBoundingClientRect().right > page.clientWidth + 1) found.push(each.outerHTML.slice(0, 120));
  return found.length ? found : ["the page"];
}"""


# What a thumb has to hit. A link's box is that of its padding; a label is hit in place of its box.
SMALL = """() => [..."a button summary select textarea input label:has(input)".split(" ")]
  .flatMap((kind) => [...document.querySelectorAll(kind)])
  .filter((each) => each.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }))
  .filter((each) => each.type !== "hidden" && !each.matches(".skip, #menu, label input"))
  .filter((each) => each.getBoundingClientRect().height < 43.5)
  .map((each) => each.outerHTML.slice(0, 120))"""


# Buttons that are filled with the one colour of acts: the page's own, without questions that are open.
PRIMARY = """() => {
  const probe = document.createElement("i"), of = (each) => getComputedStyle(each).backgroundColor;
  probe.style.background = "var(--act)";
  document.body.append(probe);
  const act = of(probe);
  probe.remove();
  return [...document.querySelectorAll("button, .button")]
    .filter((each) => each.checkVisibility({ contentVisibilityAuto: true }) && of(each) === act)
    .map((each) => each.textContent.trim());
}"""
# Type has five sizes.
SIZES = """() => [...new Set([...document.querySelectorAll("body *")]
  .filter((each) => each.checkVisibility())
  .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .map((each) => getComputedStyle(each).fontSize))]"""


@dataclass
class Loaded:
    """What a page has fetched since the last look."""

    answers: list[Response] = field(default_factory=list)

    def note(self, answer: Response) -> None:
        """One more."""
        self.answers.append(answer)

    def size(self) -> int:
        """Bytes of the answers that have come whole; a stream goes on, and is not waited for."""
        whole = [each for each in self.answers if "event-stream" not in each.headers.get("content-type", "")]
        return sum(
            each.request.sizes()["responseBodySize"] + each.request.sizes()["responseHeadersSize"]
            for each in whole
        )


@cache
def axe() -> Axe:
    return Axe()


def check(page: Page, name: str, path: str = "") -> None:
    """Go there, or load the page anew, and want: nothing of axe, no overflow, few bytes, large targets.

    Pictures are left.
    """
    loaded = Loaded()
    page.on("response", loaded.note)
    answer = page.goto(path, wait_until="load") if path else page.reload(wait_until="load")
    assert answer
    assert answer.status < 500, path
    page.remove_listener("response", loaded.note)
    assert len(loaded.answers) <= MOST_REQUESTS, [each.url for each in loaded.answers]
    assert loaded.size() < MOST_BYTES, loaded.size()
    reads(page)
    assert len(page.evaluate(PRIMARY)) <= 1, page.evaluate(PRIMARY)
    sizes = page.evaluate(SIZES)
    assert len(sizes) <= 5, sizes
    fits(page, name)


def fits(page: Page, name: str = "") -> None:
    """Nothing runs over at any width; on a telephone a thumb hits everything, and the page has an end.

    name: under which pictures are left.
    """
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        wider = page.evaluate(WIDER)
        assert wider == [], (page.url, width, wider)
        if name and width in PICTURED:
            picture(page, f"{name}-{width}")
    small = page.evaluate(SMALL)
    assert small == [], (page.url, small)
    high = page.evaluate("document.documentElement.scrollHeight")
    if not page.locator(".pager").count():  # a list that goes on elsewhere has as many rows as it likes
        assert high <= MOST_HIGH, (page.url, high)
    page.set_viewport_size({"width": 1440, "height": 900})


def reads(page: Page) -> None:
    """No violation at all; in the dark the colours are looked at once more."""
    for scheme, asked in _SCHEMES.items():
        page.emulate_media(color_scheme=scheme)
        found = axe().run(page, options=asked).response["violations"]
        said = [(each["id"], [node["html"][:160] for node in each["nodes"]]) for each in found]
        assert said == [], (scheme, said)
    page.emulate_media(color_scheme="light")


def picture(page: Page, name: str) -> None:
    """Leave a picture of the whole page in build/screens/<name>.png."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"{name}.png", full_page=True)


@dataclass
class People:
    """Opens windows, each as somebody else; who has signed in stays so, in `known` with their cookies.

    A browser of one's own and a sign-in cost Chromium a second of processor time, a further window a third.
    """

    browser: Browser
    address: str
    contexts: list[BrowserContext] = field(default_factory=list)
    known: dict[tuple[str, bool], tuple[BrowserContext, list[Any]]] = field(default_factory=dict)

    def stranger(self, script: bool = True) -> Page:
        """A window of somebody who has not signed in."""
        context = self.browser.new_context(base_url=self.address, java_script_enabled=script, locale="vi-VN")
        context.set_default_timeout(30_000)
        self.contexts.append(context)
        return context.new_page()

    def enter(self, name: str, password: str, script: bool = True) -> Page:
        """A window of somebody who has signed in by the form, at the overview."""
        if (page := self._entered(name, script)) is not None:
            return page
        page = self.stranger(script)
        page.goto("/sign-in")
        page.fill("[name=name]", name)
        page.fill("[name=password]", password)
        page.click("main button")
        page.wait_for_url("**/")
        self.known[name, script] = (page.context, page.context.cookies())
        return page

    def _entered(self, name: str, script: bool) -> Page | None:
        """A window of whoever has signed in before, unless a test has ended that."""
        if (name, script) not in self.known:
            return None
        context, cookies = self.known[name, script]
        context.clear_cookies()
        context.add_cookies(cookies)
        page = context.new_page()
        page.goto("/")
        return None if "/sign-in" in page.url else page

    def close(self) -> None:
        """End every window, so that no stream goes on, and forget who is a stranger."""
        kept = [context for context, _ in self.known.values()]
        for context in self.contexts:
            if context not in kept:
                context.close()
        self.contexts = kept
        for page in [page for context in kept for page in context.pages]:
            _close(page)


def _close(page: Page) -> None:
    """Close it without its own question, and ask for that each second.

    Chromium confirms a close amid a navigation and forgets it; `page.close()` would wait for ever.
    """
    browser = page.context.browser
    assert browser
    target = page.context.new_cdp_session(page).send("Target.getTargetInfo")["targetInfo"]["targetId"]
    session = browser.new_browser_cdp_session()
    while not page.is_closed():
        with suppress(PlaywrightTimeout), page.expect_event("close", timeout=1000):
            session.send("Target.closeTarget", {"targetId": target})
    session.detach()

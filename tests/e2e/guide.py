"""Pictures for docs/guide.vi.md, made while tests go that way, when `make guide` asks for them.

Beside a picture of README stands what it shows, each text with its place: pages are held to that, since
pixels differ from one machine to the next.
"""

from __future__ import annotations

import os
import re
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page

FOLDER = Path(__file__).parents[2] / "docs" / "guide"
ASKED = os.environ.get("LOA_GUIDE") == "1"
_WIDTH, _HEIGHT, _MARGIN, _COLOURS = 1024, 760, 6, 64
# Each text that is seen, with the place of its lines below `top`; first the width of a text of all letters.
_TEXTS = """([top, height]) => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const probe = document.createElement("span");
  probe.textContent = "Công an tỉnh 0123456789 ABCĐEÊGHIKLMNOÔƠPQRSTUƯVXY abcdđeêghiklmnoôơpqrstuưvxy";
  probe.style.cssText = "position: absolute; white-space: nowrap";
  document.body.append(probe);
  const wide = probe.getBoundingClientRect().width.toFixed(2);
  probe.remove();
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const text = node.data.replace(/\\s+/g, " ").trim();
    if (!text || !node.parentElement.checkVisibility({ contentVisibilityAuto: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect(), y = box.top + scrollY - top;
    if (box.width < 2 || box.left < 0 || y < 0 || y > height) continue;
    found.push([text, [box.left, y, box.width, box.height].map(Math.round).join(" ")]);
  }
  return [wide, found];
}"""
# What is new each time: digests, the code of a frozen report, and seconds.
_ANEW = re.compile(r"\b\d\d:\d\d:\d\d\b|\b[0-9a-f]{12,}\b|\b[0-9A-Z]{16}\b")


def picture(page: Page, name: str, part: Locator | None = None) -> None:
    """Keep the page at the height of this element, or its upper part, as docs/guide/<name>.png."""
    if ASKED:
        before = page.viewport_size
        _keep(page, name, _place(page, name, part))
        if before is not None:
            page.set_viewport_size(before)


def held_picture(page: Page, name: str, part: Locator | None = None) -> None:
    """Keep the picture with what it shows when it is asked for; else want the page to show the same."""
    place = _place(page, name, part)
    width, texts = page.evaluate(_TEXTS, place)
    shown = [(_ANEW.sub("#", text), box) for text, box in texts]
    file = FOLDER / f"{name}.txt"
    if ASKED:
        _keep(page, name, place)
        lines = [f"{_digest(name)} {width}", *(f"{box}\t{text}" for text, box in shown)]
        file.write_text("\n".join(lines) + "\n", "utf-8")
        return
    head, *lines = file.read_text("utf-8").splitlines()
    digest, width_then = head.split()
    assert _digest(name) == digest, (
        f"{name}.png is not the picture that {file.name} tells of: run `make guide`"
    )
    then = [(text, box) for box, _, text in (line.partition("\t") for line in lines)]
    assert [text for text, _ in shown] == [text for text, _ in then], f"{name}.png is stale: run `make guide`"
    if width == width_then:  # the same letters, so that they stand at the same places
        assert shown == then, f"{name}.png is stale: run `make guide`"


def _digest(name: str) -> str:
    return sha256((FOLDER / f"{name}.png").read_bytes()).hexdigest()


def _place(page: Page, name: str, part: Locator | None) -> tuple[float, float]:
    """Make the window as wide as the guide's pictures; return the part's top and height in the page."""
    page.set_viewport_size({"width": _WIDTH, "height": _HEIGHT})
    page.evaluate("scrollTo(0, 0)")
    if part is None:
        return 0.0, float(_HEIGHT)
    box = part.bounding_box()
    assert box is not None, name
    return box["y"] - _MARGIN, box["height"] + 2 * _MARGIN


def _keep(page: Page, name: str, place: tuple[float, float]) -> None:
    top, height = place
    shot = page.screenshot(full_page=True, clip={"x": 0, "y": top, "width": _WIDTH, "height": height})
    FOLDER.mkdir(parents=True, exist_ok=True)
    # A page has few colours; those of small things are kept, and the picture is a third in size.
    few = Image.open(BytesIO(shot)).convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=3)
    few.save(FOLDER / f"{name}.png", optimize=True)

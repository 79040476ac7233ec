"""Pictures for docs/guide.vi.md, made while tests go that way, when `make guide` asks for them."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page

FOLDER = Path(__file__).parents[2] / "docs" / "guide"
ASKED = os.environ.get("LOA_GUIDE") == "1"
_WIDTH, _HEIGHT, _MARGIN, _COLOURS = 1024, 760, 6, 64


def picture(page: Page, name: str, of: Locator | None = None) -> None:
    """The part of the page at the height of this element, or its upper part, as docs/guide/<name>.png."""
    if not ASKED:
        return
    before = page.viewport_size
    page.set_viewport_size({"width": _WIDTH, "height": _HEIGHT})
    page.evaluate("scrollTo(0, 0)")
    top, height = 0.0, float(_HEIGHT)
    if of is not None:
        box = of.bounding_box()
        assert box is not None, name
        top, height = box["y"] - _MARGIN, box["height"] + 2 * _MARGIN
    shot = page.screenshot(full_page=True, clip={"x": 0, "y": top, "width": _WIDTH, "height": height})
    if before is not None:
        page.set_viewport_size(before)
    FOLDER.mkdir(parents=True, exist_ok=True)
    # A page has few colours; those of small things are kept, and the picture is a third in size.
    few = Image.open(BytesIO(shot)).convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=3)
    few.save(FOLDER / f"{name}.png", optimize=True)

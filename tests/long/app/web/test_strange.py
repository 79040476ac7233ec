"""Whatever stands in a page's address or form: an answer in words, never a mistake of ours."""

from __future__ import annotations

import random
import re
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from fastapi.routing import APIRoute

from app.core.config import LinkSettings, Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from app.security import create_key
from app.security.roles import Role
from app.web import rendering, routers
from tests.app.client import Client
from tests.long.app.reports.scene import varied

PLENTY = {"requests_per_minute": 1_000_000, "stranger_requests_per_minute": 1_000_000}
ROUNDS = 3
ROOT = Path(__file__).parents[4]
IDS = ("1", "2", "99", "0", "abc", "2147483648", "é")
ODD = (
    *("", "0", "-1", "1", "2", "99999999999999", "2147483648", "1e9", "²", "١", "１", "1-2", "1-99999999999"),
    *("abc", "é", "\x00", "\u202e", "<script>", "{0}", "%(x)s", '"', "1 2", "..", "a" * 3000, "0912345678"),
    *("2024-02-05T08:00", "2024-02-05T08:00+99:99", "9999-12-31T23:59", "0001-01-01T00:00+07:00", "25:61"),
    *("vnpt", "viettel", "handset", "operator", "preview", "run", "tuyen_truyen", "24:00", "07:00"),
)
QUERY = (
    "state",
    "carrier",
    "directive",
    "after",
    "before",
    "at",
    "campaign",
    "kind",
    "link",
    "against",
    "version",
)
QUERY += ("prove", "who", "action", "subject", "text", "addressee", "verdict", "next", "csrf")
ROUTES = [
    each
    for router in routers.ROUTERS
    for each in router.routes
    if isinstance(each, APIRoute) and not each.name.endswith(("_events", "_static"))
]


def fields() -> list[str]:
    """The names of all fields of all forms."""
    pages = " ".join(file.read_text("utf-8") for file in sorted(rendering.FOLDER.rglob("*.html")))
    found = re.findall(r'name="(\w+)"', pages) + re.findall(r'(?:field|area|choice)\(\w+, "(\w+)"', pages)
    return sorted({*found, "digest", "line", "session", "batch", "at", "kind", "id", "once"})


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_strange_words_break_no_page(pages_db: Database, tmp_path: Path, seed: int) -> None:
    varied(pages_db)
    link = {"vnpt-1": LinkSettings(carrier="vnpt", segments_per_second=100)}
    settings = Settings(data=tmp_path, environment="development", links=link, **PLENTY)
    keys = [
        pages_db.write(create_key, role, role, "vnpt" if role == Role.OPERATOR else None) for role in Role
    ]
    place, names, asked = random.Random(seed), fields(), 0
    assert len(names) > 40
    with Client(create_app(settings, pages_db)) as client:
        for route in ROUTES:
            path = re.sub(r"\{\w+\}", lambda _: quote(place.choice(IDS)), route.path)
            url = f"{path}?{urlencode({name: place.choice(ODD) for name in place.sample(QUERY, 8)})}"
            said = urlencode([(name, place.choice(ODD)) for name in names if place.random() < 0.6])
            kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
            for method in route.methods:
                who = kind | {"Authorization": f"Bearer {place.choice(keys)}"}
                body = {"content": said} if method == "POST" else {}
                answer = client.request(method, url, headers=who, **body)
                assert answer.status_code < 500, (method, url, said)
                asked += 1
    assert asked > 80


def test_no_script_makes_markup_of_text() -> None:
    scripts = sorted(
        set((ROOT / "app/web/static").glob("*.js")) - set((ROOT / "app/web/static").glob("uplot-*"))
    )
    assert len(scripts) == 5
    for script in scripts:
        text = script.read_text("utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text
        ), script
        # Nor does one merge what it is told into objects, keep anything, or look at what is pasted; but the
        # text of a campaign is kept in its tab, until signing out clears it.
        kept = "" if script.name == "compose.js" else "|sessionStorage"
        assert not re.search(rf"Object\.assign|__proto__|prototype|\bpaste\b|localStorage{kept}", text), (
            script
        )


def test_every_field_for_a_password_hides_it_and_lets_managers_fill_it() -> None:
    pages = "".join(file.read_text("utf-8") for file in sorted(rendering.FOLDER.rglob("*.html")))
    fields = re.findall(r'field\(\w+, "(password|new|own_password)", ([^)]*\)[^)]*)\)', pages)
    assert len(fields) == 7
    for name, said in fields:
        assert 'type="password"' in said, name
        assert re.search(r'autocomplete="(current|new)-password"', said), name

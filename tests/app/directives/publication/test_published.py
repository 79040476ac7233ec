"""Published addresses: read again on time, honest about what can't be read, and never inside our networks."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.campaigns import approval, directives, lifecycle
from app.campaigns.directives import DirectiveFields
from app.cli import publication_commands
from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict, Invalid, NotFound
from app.core.publication_settings import PublicationSettings
from app.database.connection import Database
from app.database.models import audit, publication_findings, publications
from app.directives.publication import fetching, published
from app.directives.publication.fetching import NotRead, ReadPage
from app.directives.publication.published import PublicationClaim
from app.directives.publication.reading_sweep import ReadingSweep
from app.reports.build import consolidated
from app.reports.export.formats import document
from app.reports.figures import publications as known
from app.reports.figures.publications import Publication, PublicationState
from app.reports.forms import publication_tables
from app.security import Caller, create_key
from tests.app.campaigns.rows import DRAFT, new_campaign
from tests.app.campaigns.test_held_runs import AUDIENCE
from tests.app.cli.test_campaign_commands import Shell
from tests.app.client import Client
from tests.app.directives.publication.pages import Pages, served
from tests.app.world import aside
from tests.engines import on_sqlite, other_by_hand

TEXT = "Cảnh giác lừa đảo: KHÔNG chuyển tiền, không đọc mã OTP. Gọi 113."
UNIT = "Sở Tư pháp"
OPEN = PublicationSettings(check_minutes=60, private_addresses=True, other_ports=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Pages]:
    with served() as pages:
        yield pages


@pytest.fixture
def pages(server: Pages) -> Pages:
    server.found.clear()
    server.asked.clear()
    return server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, publication=OPEN)


def set_up(db: Database) -> tuple[int, int]:
    """A directive with an addressee, and an approved campaign under it."""
    letter = DirectiveFields("303/CAT-PA05", clock.local(clock.now()).date(), "CAT", "Tet", None, (UNIT,))
    directive_id = db.write(directives.create, letter, "author")
    campaign_id = db.write(new_campaign, replace(DRAFT, text=TEXT, directive_id=directive_id))
    db.write(lifecycle.add_held_run, campaign_id, "vnpt", AUDIENCE, "author")
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, Caller("approver", "admin"))
    return directive_id, campaign_id


def reported(db: Database, settings: Settings, url: str) -> int:
    directive_id, campaign_id = set_up(db)
    claim = PublicationClaim(UNIT, campaign_id, url)
    db.write(published.report, directive_id, claim, settings, "author")
    return directive_id


def read(db: Database, settings: Settings) -> Publication:
    """Read what is due, and return the only address."""
    while asyncio.run(ReadingSweep(db, settings, aside(db)).step()):
        pass
    (found,) = db.read(known.of_directive, 1)
    return found


def later(db: Database, minutes: float = 60) -> None:
    """Let so much time pass until the next reading."""
    moved = publications.c.due_at - round(minutes * 60_000)
    db.write(lambda c: c.execute(update(publications).values(due_at=moved)))


def findings(db: Database) -> list[str]:
    f = publication_findings.c
    return list(db.read(lambda c: c.execute(select(f.state).order_by(f.id)).scalars().all()))


@pytest.mark.prove
@other_by_hand
def test_what_becomes_of_a_page_is_said_within_an_interval(
    db: Database, settings: Settings, pages: Pages
) -> None:
    pages.put(f"<p>{TEXT}</p>")
    reported(db, settings, pages.url())
    first = read(db, settings)
    assert first.state is PublicationState.PUBLISHED
    assert first.sha256 is not None
    for page, state, words in (
        (TEXT.replace("tiền", "vàng"), PublicationState.CHANGED, [("tiền", "vàng")]),
        (TEXT.replace("lừa", "lưa"), PublicationState.CHANGED, [("lừa", "lưa")]),
        ("Tin khác", PublicationState.GONE, []),
        (TEXT, PublicationState.PUBLISHED, []),
    ):
        pages.put(f"<p>{page}</p>")
        assert read(db, settings) == first  # its time has not come
        later(db)
        found = read(db, settings)
        assert (found.state, [(each.approved, each.found) for each in found.differences]) == (state, words)
        first = db.read(known.of_directive, 1)[0]
    pages.found.clear()
    later(db)
    assert read(db, settings).state is PublicationState.GONE
    assert findings(db) == ["published", "changed", "changed", "gone", "published", "gone"]


@pytest.mark.longer
@other_by_hand
def test_the_same_finding_is_kept_once(db: Database, settings: Settings, pages: Pages) -> None:
    for n in range(3):
        pages.put(f"<p>{TEXT}</p><p>Lượt xem: {n}</p>")
        if n == 0:
            reported(db, settings, pages.url())
        else:
            later(db)
        found = read(db, settings)
    assert findings(db) == ["published"]
    assert found.since is not None
    assert found.read_at is not None
    assert found.read_at >= found.since


@pytest.mark.prove
@other_by_hand
def test_a_server_that_is_away_is_not_a_page_that_is_gone(
    db: Database, settings: Settings, pages: Pages
) -> None:
    pages.put(f"<p>{TEXT}</p>")
    reported(db, settings, pages.url())
    read(db, settings)
    for status in (500, 403, 429):
        pages.put("", status=status)
        later(db)
        found = read(db, settings)
        assert (found.state, found.failure) == (PublicationState.PUBLISHED, f"The server answers {status}.")
    since = found.failing_since
    with socket.create_server(("127.0.0.1", 0)) as silent:  # then nobody listens there
        port = silent.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    db.write(lambda c: c.execute(update(publications).values(url=url)))
    later(db)
    found = read(db, settings)
    assert found.failing_since == since
    assert found.failure is not None
    assert found.failure.startswith("The server did not answer")
    db.write(lambda c: c.execute(update(publications).values(url=pages.url())))
    pages.put(f"<p>{TEXT}</p>")
    later(db)
    assert read(db, settings).failing_since is None
    assert findings(db) == ["published"]


@pytest.mark.longer
@other_by_hand
def test_reading_ends(db: Database, settings: Settings, pages: Pages) -> None:
    pages.put(f"<p>{TEXT}</p>")
    reported(db, settings, pages.url())
    long_ago = clock.now_ms() - 91 * clock.DAY_MS
    db.write(lambda c: c.execute(update(publications).values(reported_at=long_ago)))
    found = read(db, settings)
    assert not found.read_on
    assert found.state is PublicationState.PUBLISHED
    assert not db.read(published.is_due)


def test_one_process_reads_an_address_at_a_time(db: Database, settings: Settings, pages: Pages) -> None:
    reported(db, settings, pages.url())
    assert len(db.write(published.claim_due, OPEN, 8)) == 1
    assert db.write(published.claim_due, OPEN, 8) == []
    later(db, 1)  # the process that had it is dead
    assert len(db.write(published.claim_due, OPEN, 8)) == 1


def test_a_reading_that_ends_after_its_withdrawal_keeps_nothing(
    db: Database, settings: Settings, pages: Pages
) -> None:
    directive_id = reported(db, settings, pages.url())
    (mine,) = db.write(published.claim_due, OPEN, 8)
    claim = PublicationClaim(UNIT, 1, pages.url())
    db.write(published.withdraw, directive_id, claim, "author")
    db.write(published.keep_found, mine, "0" * 64, (PublicationState.GONE, ()), OPEN)
    db.write(published.keep_failure, mine, "Away.", OPEN)
    assert findings(db) == []
    assert db.read(known.of_directive, directive_id) == []
    assert not db.read(published.is_due)
    with pytest.raises(NotFound):
        db.write(published.withdraw, directive_id, claim, "author")
    db.write(published.report, directive_id, claim, settings, "author")  # it was none after all


@pytest.mark.longer
@on_sqlite
def test_what_can_not_be_reported(db: Database, settings: Settings) -> None:
    directive_id, campaign_id = set_up(db)
    good = PublicationClaim(UNIT, campaign_id, "https://stp.example.vn/a")
    draft = db.write(new_campaign, replace(DRAFT, directive_id=directive_id))
    wrong: list[tuple[PublicationClaim, type[Exception], str]] = [
        (replace(good, addressee="Nobody"), Invalid, "addressee"),
        (replace(good, campaign_id=draft), Conflict, "draft"),
        (replace(good, campaign_id=99), NotFound, "99"),
        (replace(good, campaign_id=db.write(new_campaign)), Invalid, "not under this directive"),
        *(
            (replace(good, url=f"https://a.vn/{part}"), Invalid, "phone number")
            for part in (
                "?sdt=0912345678",
                "%30912345678",
                "%253091%32345678",
                "0912.345.678",
            )
        ),
    ]
    for claim, kind, words in wrong:
        with pytest.raises(kind, match=words):
            db.write(published.report, directive_id, claim, settings, "author")
    for at, part in enumerate(("tin-20251128093015.html", "a-4837123.html", "x0f0143856475bd2")):
        db.write(
            published.report, directive_id, replace(good, url=f"https://b{at}.vn/{part}"), settings, "author"
        )
    db.write(published.report, directive_id, good, settings, "author")
    with pytest.raises(Conflict, match="already"):
        db.write(published.report, directive_id, good, settings, "author")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://a.vn/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "//a.vn",
            "a.vn",
            "",
            "http://",
            "http:///x",
        ),
        *("http://u:p@a.vn/", "http://u@a.vn/", "http://a.vn:22/", "http://a.vn:8080/", "http://a .vn/"),
        *("http://a.vn/\n", "http://a.vn/\u200b ", "http://a.vn:99999/", "http://[::1/", "gopher://a.vn/"),
        *("http://a.vn\\@b.vn/", f"http://a.vn/{'x' * 2000}", f"http://a.vn/{'đ' * 1000}"),
    ],
)
def test_an_address_that_is_never_read_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        fetching.check(url, PublicationSettings())


def fetched(url: str, own: PublicationSettings) -> ReadPage | NotRead:
    return asyncio.run(fetching.fetch(url, own))


INNER = (
    *("http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://0.0.0.0/", "http://10.0.0.1/"),
    *(
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0x7f.1/",
    ),
    *("http://[::ffff:127.0.0.1]/", "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://2130706433/"),
    *("http://[64:ff9b::7f00:1]/", "http://100.64.0.1/", "http://224.0.0.1/", "http://127.1/"),
)


@pytest.mark.parametrize("url", INNER)
def test_no_address_within_our_networks_is_read(url: str) -> None:
    found = fetched(url, PublicationSettings())
    assert isinstance(found, NotRead)
    assert "inner network" in found.why


@pytest.mark.parametrize(
    "place", ["http://169.254.169.254/", "file:///etc/passwd", "http://127.0.0.1:22/", "/loop"]
)
def test_a_redirect_leads_nowhere_else(pages: Pages, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own server may be read here, and nothing else; as for public and inner servers."""
    pages.put("", status=302, Location=place)
    pages.put("", "/loop", 302, Location="/loop")
    strict = PublicationSettings(other_ports=True, private_addresses=False)
    resolve = fetching.resolve

    async def only_ours(host: str, port: int, *, private: bool) -> str:
        return await resolve(host, port, private=port == pages.port)

    monkeypatch.setattr(fetching, "resolve", only_ours)
    found = fetched(pages.url(), strict)
    assert isinstance(found, NotRead)
    assert "inner network" in found.why or "redirects too often" in found.why


def test_a_redirect_to_the_page_is_followed(pages: Pages) -> None:
    pages.put("", "/old", 301, Location="/new")
    pages.put(TEXT, "/new")
    assert fetched(pages.url("/old"), OPEN) == ReadPage(200, TEXT.encode(), "utf-8")


def test_the_server_learns_nothing_of_us(pages: Pages) -> None:
    pages.put("x", Set_Cookie="a=b")
    for _ in range(2):
        fetched(pages.url(), OPEN)
    assert [sorted(each) for each in pages.asked] == [
        ["Accept", "Accept-Encoding", "Connection", "Host", "User-Agent"]
    ] * 2


@pytest.mark.longer
def test_what_is_read_has_an_end(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    pages.put("x" * (fetching.MOST_BYTES + 1))
    assert fetched(pages.url(), OPEN) == NotRead("The page is too large.")
    pages.put(gzip.compress(b"x" * 50_000_000), Content_Encoding="gzip")
    assert fetched(pages.url(), OPEN) == NotRead("The page is too large.")
    pages.put(gzip.compress(TEXT.encode()), Content_Encoding="gzip")
    assert fetched(pages.url(), OPEN) == ReadPage(200, TEXT.encode(), "utf-8")
    pages.put(b"%PDF-1.7", Content_Type="application/pdf")
    assert fetched(pages.url(), OPEN) == NotRead("The address is not that of a web page.")
    monkeypatch.setattr(fetching, "MOST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert fetched(f"http://127.0.0.1:{port}/", OPEN) == NotRead("The server took too long.")


@pytest.mark.prove
@other_by_hand
def test_the_consolidated_report_has_what_was_found_by_its_cut_off(
    db: Database, settings: Settings, pages: Pages
) -> None:
    pages.put(f"<p>{TEXT}</p>")
    directive_id = reported(db, settings, pages.url())
    read(db, settings)
    cutoff = clock.now_ms()
    pages.put(f"<p>{TEXT.replace('113', '0912345678')}</p>")
    later(db)
    read(db, settings)
    moved = publication_findings.c.at + 1000
    f = publication_findings.c
    db.write(lambda c: c.execute(update(publication_findings).where(f.state == "changed").values(at=moved)))
    then = db.read(consolidated.build, directive_id, cutoff)
    assert [each["state"] for each in document(then)["published"]] == ["published"]
    now = db.read(consolidated.build, directive_id, clock.now_ms() + 2000)
    assert document(now)["published"][0]["differences"] == [{"approved": "113", "found": "*" * 10}]
    table = publication_tables.of_directive(now)
    assert table.rows[0].cells[3] == "Đã bị thay đổi"
    assert table.rows[0].cells[5] == "“113” thành “**********”"
    assert "0912345678" not in json.dumps(document(now))
    old = db.read(consolidated.build, directive_id, cutoff, consolidated.ConsolidationTerms(rules=3))
    assert "published" not in document(old)


@on_sqlite
def test_over_http_and_the_command_line(
    application: FastAPI, client: Client, db: Database, database_url: str, tmp_path: Path
) -> None:
    directive_id, campaign_id = set_up(db)
    place = f"/v1/directives/{directive_id}/publications"
    body: dict[str, Any] = {"addressee": UNIT, "campaign_id": campaign_id, "url": "https://stp.example.vn/a"}
    keyed = {"Idempotency-Key": "one"}
    made = [client.post(place, json=body, headers=keyed) for _ in range(2)]
    assert [each.status_code for each in made] == [201, 201]
    assert made[0].json() == made[1].json()
    assert [each["state"] for each in client.get(place).json()] == ["waiting"]
    with Client(application, db.write(create_key, "see", "auditor")) as auditor:
        assert auditor.get(place).status_code == 200
        assert auditor.post(place, json=body).status_code == 403
    assert client.post(f"{place}/withdraw", json=body).status_code == 204
    acts = db.read(lambda c: c.execute(select(audit.c.action).order_by(audit.c.id)).scalars().all())
    assert acts[-2:] == ["key.add", "publication.withdraw"] or acts[-1] == "publication.withdraw"
    db.close()
    shell = Shell(database_url, tmp_path)
    words = [str(directive_id), UNIT, "https://stp.example.vn/b", "--campaign", str(campaign_id)]
    shell(publication_commands.app, "report", *words)
    assert (
        json.loads(shell(publication_commands.app, "list", str(directive_id), "--json"))[0]["url"] == words[2]
    )
    shell(publication_commands.app, "withdraw", *words)
    assert json.loads(shell(publication_commands.app, "list", str(directive_id), "--json")) == []

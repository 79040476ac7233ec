"""The code on a report's last page shows the frozen figures to who holds the paper and to nobody else."""

from __future__ import annotations

import hashlib
import io
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

import pytest
from docx import Document
from pypdf import PdfReader
from sqlalchemy import Connection, select, update

from app.core.config import Settings
from app.core.errors import NotFound
from app.database.models import audit, frozen_reports
from app.observability import logs
from app.reports.frozen import archive, printed_code
from app.reports.frozen.archive import Frozen, ReportSubject, Spoilt, SubjectKind
from app.reports.frozen.printed_code import grouped, look
from app.reports.release.freeze import Freezer
from app.reports.release.issue import issue
from app.runtime.api_app import create_app
from app.security import audit as acts
from tests.app.client import Client
from tests.long.app.reports import five_carriers
from tests.long.app.reports.conftest import Two
from tests.long.app.reports.kept import freeze_at, issue_today
from tests.long.app.reports.test_issue import text_of

RUN = ReportSubject(SubjectKind.RUN, 4)
PLACE = "https://loa.example.vn/verify/reports"


@pytest.fixture
def newest(frozen: Two) -> tuple[Freezer, Frozen]:
    freezer, (_, second) = frozen
    return freezer, second


@pytest.fixture
def citizen(frozen: Two, settings: Settings) -> Iterator[Client]:
    with Client(create_app(settings.model_copy(update={"verify_per_minute": 5}), frozen[0].db)) as client:
        yield client


def last_page(freezer: Freezer, report: Frozen, form: str) -> str:
    page = PdfReader(io.BytesIO(freezer.db.read(archive.content, report, form)[1])).pages[-1]
    return re.sub(r"\s+", " ", page.extract_text())


@pytest.mark.prove
def test_the_last_page_bears_code_address_and_hash_and_the_final_paper_the_same(frozen: Two) -> None:
    freezer, (first, _) = frozen
    freezer = replace(freezer, place=PLACE)
    issued = issue(freezer, first.id, None, issue_today())
    assert first.code
    for form in ("pdf", "issued-pdf"):
        said = last_page(freezer, issued, form)
        assert f"Mã đối chiếu: {grouped(first.code)}" in said
        assert first.sha256 in said.replace(" ", "")
    assert PLACE in last_page(freezer, issued, "issued-pdf")
    assert grouped(first.code) in text_of(freezer, issued, "issued-docx")
    pictures = Document(io.BytesIO(freezer.db.read(archive.content, issued, "issued-docx")[1])).inline_shapes
    assert f"{PLACE}?code={first.code}" in pictures[len(pictures) - 1]._inline.docPr.get("descr")


@pytest.mark.prove
def test_the_chairman_s_page_bears_it_in_one_line_and_stays_one_page(frozen: Two) -> None:
    freezer, (first, _) = frozen
    issued = issue(replace(freezer, place=PLACE), first.id, None, issue_today())
    for form in ("summary", "issued-summary"):
        assert f"Mã đối chiếu: {grouped(first.code or '')}" in last_page(freezer, issued, form)
        content = freezer.db.read(archive.content, issued, form)[1]
        assert len(PdfReader(io.BytesIO(content)).pages) == 1


def test_a_code_shows_version_day_and_the_totals_as_they_were_frozen(newest: tuple[Freezer, Frozen]) -> None:
    freezer, report = newest
    found = freezer.db.read(look, report.code or "")
    assert (found.version, found.cut_off_at, found.sha256) == (2, report.cut_off_at, report.sha256)
    assert (found.number, found.newer) == (None, None)
    kept = json.loads(freezer.db.read(archive.figures, report))
    sent = [
        line["stated"]["general"]["sent"]
        if line["source"] in ("stated", "manual")
        else line["measured"]["general"]["sent_messages"]
        if line["source"]
        else None
        for line in kept["runs"]
    ]
    assert [each.figures["sent"] for each in found.carriers] == sent
    assert len({each.source for each in found.carriers}) >= 3


@pytest.mark.prove
def test_a_run_s_code_shows_its_carrier(frozen: Two) -> None:
    freezer, _ = frozen
    report = freeze_at(freezer, RUN, five_carriers.FIRST)[0]
    found = freezer.db.read(look, report.code or "")
    general = json.loads(freezer.db.read(archive.figures, report))["general"]
    assert [(each.carrier, each.figures["sent"]) for each in found.carriers] == [
        ("VNPT VinaPhone", general["sent_messages"])
    ]


@pytest.mark.prove
def test_an_earlier_version_names_the_newer_one_and_whether_it_is_issued(frozen: Two) -> None:
    freezer, (first, second) = frozen
    newer = freezer.db.read(look, first.code or "").newer
    assert newer is not None
    assert (newer.version, newer.number) == (2, None)
    issue(freezer, second.id, None, issue_today(remarks={}))
    newer = freezer.db.read(look, first.code or "").newer
    assert newer is not None
    assert newer.number == "125"
    assert freezer.db.read(look, second.code or "").number == "125"


@pytest.mark.parametrize(
    "typed",
    [
        lambda code: code.lower(),
        lambda code: f"  {grouped(code)}\n",
        lambda code: " ".join(code),
        lambda code: code.replace("0", "O").replace("1", "l"),
        lambda code: code.replace("1", "I").replace("0", "o"),
        lambda code: "".join(chr(ord(char) + 0xFEE0) for char in code),  # full width
        lambda code: grouped(code).replace("-", "\u2013"),
        lambda code: unicodedata.normalize("NFD", code) + "\u200b",
    ],
    ids=["small", "lines", "spaced", "O and l", "I and o", "wide", "dashes", "invisible"],
)
def test_a_code_may_be_typed_in_many_ways(newest: tuple[Freezer, Frozen], typed: object) -> None:
    freezer, report = newest
    assert freezer.db.read(look, typed(report.code)).sha256 == report.sha256  # type: ignore[operator]


@pytest.mark.parametrize(
    "wrong", ["", "%", "0" * 16, "7K3M", "x" * 10_000, "' OR 1=1 --0000", "Ω" * 16, "\x00"]
)
def test_any_other_code_is_nobody_s(newest: tuple[Freezer, Frozen], wrong: str) -> None:
    with pytest.raises(NotFound, match="No report has this code"):
        newest[0].db.read(look, wrong)


def test_one_letter_off_is_nobody_s(newest: tuple[Freezer, Frozen]) -> None:
    code = newest[1].code or ""
    for place in range(len(code)):
        other = "0" if code[place] != "0" else "2"
        with pytest.raises(NotFound):
            newest[0].db.read(look, code[:place] + other + code[place + 1 :])


def test_figures_altered_with_their_hash_in_table_and_audit_are_not_shown(
    newest: tuple[Freezer, Frozen],
) -> None:
    freezer, report = newest
    text = freezer.db.read(archive.figures, report).replace('"sent_messages": ', '"sent_messages": 1')
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    own = frozen_reports.c.id == report.id

    def forge(connection: object) -> None:
        connection.execute(update(frozen_reports).where(own).values(figures=text, sha256=sha256))  # type: ignore[attr-defined]

    freezer.db.write(forge)
    with pytest.raises(Spoilt, match="The figures behind this code differ from what was frozen, so they are"):
        freezer.db.read(look, report.code or "")


@pytest.mark.parametrize("witness", ["none", "another's", "unsealed"])
def test_a_report_that_somebody_wrote_into_the_database_with_its_own_code_is_not_confirmed(
    newest: tuple[Freezer, Frozen], witness: str
) -> None:
    freezer, report = newest
    text = freezer.db.read(archive.figures, report).replace('"sent_messages": ', '"sent_messages": 1')
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    drawn = printed_code.draw(ReportSubject(report.subject, report.subject_id), 7, 1000, sha256, "")

    def keyed(c: Connection) -> Connection:
        return c.execution_options(loa_keys=(b"a key of later",))

    def forge(c: Connection) -> None:
        acts.note(keyed(c), "Lan", "report.issue", f"report/{report.id}")
        row = dict(c.execute(select(frozen_reports).where(frozen_reports.c.id == report.id)).one()._mapping)
        row |= {"id": 999, "version": 7, "cutoff_at": 1000, "figures": text, "sha256": sha256}
        c.execute(frozen_reports.insert().values(row | {"code": drawn.code, "code_salt": drawn.salt}))
        if witness == "another's":
            acts.note(c, "somebody", "report.freeze", "report/999", version=7, sha256=report.sha256)
        if witness == "unsealed":
            acts.note(c, "somebody", "report.freeze", "report/999", version=7, sha256=sha256)
            c.execute(update(audit).where(audit.c.subject == "report/999").values(seal=None))

    freezer.db.write(forge)
    with pytest.raises(Spoilt, match="The figures behind this code differ from what was frozen, so they are"):
        freezer.db.read(lambda c: look(keyed(c), drawn.code))
    assert freezer.db.read(lambda c: look(keyed(c), report.code or "")).version == report.version


@pytest.mark.parametrize("moved", ["version", "cutoff_at", "code"])
def test_a_code_moved_to_another_version_shows_nothing(frozen: Two, moved: str) -> None:
    freezer, (first, second) = frozen
    f = frozen_reports.c
    if moved == "code":
        freezer.db.write(
            lambda c: c.execute(update(frozen_reports).where(f.id == first.id).values(code=None))
        )
        values = {"code": first.code}
    else:
        values = {moved: 99}
    freezer.db.write(lambda c: c.execute(update(frozen_reports).where(f.id == second.id).values(**values)))
    with pytest.raises(Spoilt):
        freezer.db.read(look, (first if moved == "code" else second).code or "")


@pytest.mark.prove
def test_a_report_of_before_has_no_code_and_its_final_paper_neither(frozen: Two) -> None:
    freezer, (first, _) = frozen
    before = {"code": None, "code_salt": None}
    freezer.db.write(lambda c: c.execute(update(frozen_reports).values(**before)))
    assert "Mã đối chiếu" not in text_of(freezer, issue(freezer, first.id, None, issue_today()), "issued-pdf")


def test_codes_are_drawn_anew_and_never_told_by_the_figures(newest: tuple[Freezer, Frozen]) -> None:
    frozen_ = (2, 1_706_493_600_000, "a" * 64, "")
    codes = {printed_code.draw(RUN, *frozen_).code for _ in range(1000)}
    assert len(codes) == 1000
    assert set("".join(codes)) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


@pytest.mark.prove
def test_everybody_may_ask_and_learns_no_person(citizen: Client, newest: tuple[Freezer, Frozen]) -> None:
    freezer, report = newest
    issue(freezer, report.id, None, issue_today(remarks={}))
    answer = citizen.get("/v1/verify/reports", params={"code": report.code or ""})
    page = citizen.get("/verify/reports", params={"code": report.code or ""})
    assert (answer.status_code, page.status_code) == (200, 200)
    assert answer.json()["number"] == "125"
    assert page.headers["cache-control"] == "no-store"
    assert "Đã ban hành: số 125" in page.text
    for said in (answer.text, page.text):
        for person in ("officer", "Nguyễn Văn A", "Công an không làm việc qua điện thoại"):
            assert person not in said


def test_page_and_api_share_the_limit_of_the_public_page(citizen: Client) -> None:
    for _ in range(2):
        assert citizen.get("/verify/reports", params={"code": "7K3M"}).status_code == 404
        assert citizen.get("/v1/verify/reports", params={"code": "7K3M"}).status_code == 404
    assert citizen.post("/v1/verify", json={"text": "x"}).status_code == 200
    for path in ("/verify/reports", "/v1/verify/reports"):
        answer = citizen.get(path, params={"code": "7K3M"})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
    assert citizen.get("/verify/reports").status_code == 200  # the empty form costs nothing


def test_no_code_is_written_to_the_log(
    citizen: Client, settings: Settings, newest: tuple[Freezer, Frozen]
) -> None:
    stream = io.StringIO()
    logs.configure(settings, stream)
    code = newest[1].code or ""
    citizen.get("/v1/verify/reports", params={"code": code})
    citizen.get("/verify/reports", params={"code": code})
    assert "/verify/reports" in stream.getvalue()
    assert code not in stream.getvalue()
    rows = newest[0].db.read(lambda c: c.execute(select(audit)).all())
    assert not any(code in str(row) for row in rows)

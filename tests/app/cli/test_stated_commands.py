"""Held runs, statements and addressees from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from app.cli import (
    addressee_commands,
    campaign_commands,
    directive_commands,
    run_commands,
    statement_commands,
)
from app.core import clock
from app.core.errors import AppError, Conflict, Invalid, NotFound
from app.database.connection import Database
from app.database.models import approvals
from tests.app.cli.test_campaign_commands import SENDER, Shell, written_by
from tests.exact import exactly
from tests.long.app.reports.intake.forms import FILLED, filled
from tests.long.app.reports.intake.scene import PDF, body, held

LETTER = [
    "303/CAT-PA05",
    "--issued-on",
    "2024-01-29",
    "--issuer",
    "Công an tỉnh",
    "--subject",
    "Tuyên truyền",
]
LETTER += ["--report-deadline", "2024-02-24T17:00+07:00", "--to", "Sở Tư pháp", "--to", "VNPT"]


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    return Shell(database_url, tmp_path)


@pytest.fixture
def scene(database_url: str) -> None:
    """Run 2 is held by viettel and sent."""
    db = Database(database_url)
    held(db)
    db.close()


def approved_on(url: str, at: datetime) -> None:
    db = Database(url)
    db.write(lambda c: c.execute(update(approvals).values(at=clock.to_ms(at))))
    db.close()


@pytest.mark.longer
def test_a_held_run_from_draft_to_its_end(shell: Shell, database_url: str) -> None:
    shell(campaign_commands.app, "create", "Tet", *SENDER, "--text", "Canh giac.")
    made = shell(
        campaign_commands.app,
        "add-held-run",
        "1",
        "--carrier",
        "vnpt",
        "--estimated",
        "1000",
        "--area",
        "116",
    )
    assert made == "Run 1"
    with pytest.raises(Conflict):
        shell(run_commands.app, "order", "1")
    shell(campaign_commands.app, "submit", "1")
    written_by(database_url, "somebody else")
    digest = json.loads(shell(campaign_commands.app, "show", "1", "--json"))["digest"]
    shell(campaign_commands.app, "approve", "1", "--digest", digest)
    assert "Thành phố Sơn La (116)" in shell(run_commands.app, "order", "1")
    with pytest.raises(Invalid, match="The run cannot have started before the campaign was approved"):
        shell(run_commands.app, "start", "1", "--at", "2024-02-05T08:00+07:00")
    approved_on(database_url, datetime(2024, 2, 5, tzinfo=UTC))
    assert shell(run_commands.app, "start", "1", "--at", "2024-02-05T08:00+07:00") == "Run 1 is running."
    assert shell(run_commands.app, "end", "1", "--at", "2024-02-07T17:00+07:00") == "Run 1 is sent."
    assert "2024-02-07T17:00:00+07:00" in shell(run_commands.app, "show", "1")


@pytest.mark.prove
@pytest.mark.longer
def test_a_statement_by_the_workbook(shell: Shell, scene: None, tmp_path: Path) -> None:
    form = tmp_path / "form.xlsx"
    shell(statement_commands.app, "form", "2", "--out", str(form))
    assert form.read_bytes()[:2] == b"PK"
    form.write_bytes(filled({("Biểu 1", "D4"): "x"}))
    with pytest.raises(Invalid, match="Trang “Biểu 1”, ô D4"):
        shell(statement_commands.app, "add", "2", str(form))
    form.write_bytes(filled(FILLED))
    assert (
        shell(statement_commands.app, "add", "2", str(form))
        == "Run 2: the figures are stored as version 1 (stated)."
    )
    listed = shell(statement_commands.app, "list", "2")
    assert "handset" in listed
    assert (
        json.loads(shell(statement_commands.app, "list", "2", "--json"))[0]["figures"]["general"]["sent"]
        == 970
    )


@pytest.mark.longer
def test_figures_by_hand_with_their_scan(shell: Shell, scene: None, tmp_path: Path) -> None:
    figures, scan = tmp_path / "figures.json", tmp_path / "scan.pdf"
    figures.write_text(json.dumps(body()))
    scan.write_bytes(PDF)
    with pytest.raises(
        Invalid,
        match=exactly(
            "attachment: Figures entered by hand need a scan of the document. Upload it first, "
            "then enter its sha256."
        ),
    ):
        shell(statement_commands.app, "add", "2", str(figures), "--manual")
    said = shell(statement_commands.app, "add", "2", str(figures), "--manual", "--scan", str(scan))
    assert said == "Run 2: the figures are stored as version 1 (manual)."
    [kept] = json.loads(shell(statement_commands.app, "list", "2", "--json"))
    assert kept["paper"]["attachment"]["name"] == "scan.pdf"
    figures.write_text(json.dumps(body(reason="counted again")))
    with pytest.raises(Invalid, match="--manual --scan PAPER"):
        shell(statement_commands.app, "add", "2", str(figures))


@pytest.mark.longer
def test_a_correction_says_what_it_leaves_out_and_which_version_it_was_made_from(
    shell: Shell, scene: None, tmp_path: Path
) -> None:
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps(body()))
    shell(statement_commands.app, "add", "2", str(figures))
    figures.write_text(json.dumps(body(version=1, reason="counted again", days=[])))
    said = shell(statement_commands.app, "add", "2", str(figures))
    assert said.endswith("as version 2 (stated). Version 1 had numbers by day, but version 2 has none.")
    with pytest.raises(
        Conflict, match=exactly("The figures are now at version 2, not 1. Reload and try again.")
    ):
        shell(statement_commands.app, "add", "2", str(figures))


@pytest.mark.longer
def test_a_file_that_is_no_statement_is_refused_in_sentences(
    shell: Shell, scene: None, tmp_path: Path
) -> None:
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({"level": "handset"}))
    with pytest.raises(Invalid, match=r"figures\.json: .*cutoff_at is missing"):
        shell(statement_commands.app, "add", "2", str(figures))
    with pytest.raises(
        Invalid,
        match=exactly(
            "figures.xls is neither the form (.xlsx or .ods) nor JSON. Save it as .xlsx (Excel "
            "workbook) and upload it again."
        ),
    ):
        shell(statement_commands.app, "add", "2", str(figures.rename(tmp_path / "figures.xls")))
    (tmp_path / "figures.ods").write_text("none", encoding="utf-8")
    with pytest.raises(Invalid, match=r"không phải là biểu mẫu"):
        shell(statement_commands.app, "add", "2", str(tmp_path / "figures.ods"))


@pytest.mark.longer
def test_addressees_are_described_report_and_are_listed(shell: Shell, tmp_path: Path) -> None:
    shell(directive_commands.app, "create", *LETTER)
    email = ["--email", "vp@x.example"]
    assert "department" in shell(
        addressee_commands.app, "set", "1", "Sở Tư pháp", "--kind", "department", *email
    )
    what = ["--channel", "radio", "--pieces", "3", "--minutes", "20", "--received", "2024-02-20T08:00+07:00"]
    assert (
        shell(addressee_commands.app, "report", "1", "Sở Tư pháp", *what) == "Sở Tư pháp: version 1 is kept."
    )
    listed = shell(addressee_commands.app, "list", "1")
    assert "2024-02-20 08:00+07:00" in listed
    assert "late" not in listed.splitlines()[1]
    assert "radio" in shell(addressee_commands.app, "channels", "1")
    form = tmp_path / "form.xlsx"
    shell(addressee_commands.app, "form", "1", "--out", str(form))
    assert shell(addressee_commands.app, "import", "1", str(form)) == "0 reports are kept."
    with pytest.raises(NotFound):
        shell(addressee_commands.app, "report", "1", "Sở lạ", *what)


@pytest.mark.longer
def test_there_is_nothing_of_a_run_that_is_not_there(shell: Shell) -> None:
    for words in (("list", "9"), ("form", "9", "--out", "x.xlsx")):
        with pytest.raises(AppError):
            shell(statement_commands.app, *words)

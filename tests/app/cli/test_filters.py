"""Filters by carrier, and ids: an unknown one is refused alike, here and by a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert

from app.core import clock
from app.database.connection import Database
from app.database.models import do_not_send
from tests.app.cli.test_server import server
from tests.app.cli.test_wrong import folder, refused
from tests.app.client import Client

__all__ = ["folder", "server"]
LISTS = ["do-not-send", "inbound", "run"]
PATHS = ["batches", "campaigns", "do-not-send", "inbound-messages", "receipt-files", "runs"]


@pytest.mark.longer
@pytest.mark.parametrize("noun", LISTS)
@pytest.mark.parametrize("there", [False, True])
def test_a_list_of_an_unknown_carrier_is_refused_with_the_nearest_name(
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    noun: str,
    there: bool,
) -> None:
    if not there:
        monkeypatch.setenv("LOA_DATA", str(tmp_path))
        refused(monkeypatch, capsys, "directive", "create", "1", *_LETTER)
    way = ("--server", server) if there else ()
    for word, remedy in (("viettell", "Did you mean viettel?"), ("nix", "Available carriers: ")):
        status, said = refused(monkeypatch, capsys, *way, noun, "list", "--carrier", word)
        assert (status, remedy in said) == (1, True), said


_LETTER = ("--issued-on", "2024-01-29", "--issuer", "CAT", "--subject", "Tet")


@pytest.mark.longer
@pytest.mark.parametrize("path", PATHS)
def test_a_list_of_the_api_refuses_an_unknown_carrier(client: Client, path: str) -> None:
    answer = client.get(f"/v1/{path}?carrier=viettell")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "carrier"
    assert "Did you mean viettel?" in answer.json()["detail"]
    assert client.get(f"/v1/{path}?carrier=viettel").json()["items"] == []
    assert client.get(f"/v1/{path}?carrier=viettell&after=7").status_code == 200


def test_a_carrier_of_former_years_is_known_by_its_rows(client: Client, db: Database) -> None:
    row = {"carrier": "beeline", "phone": 84912345678, "added_at": clock.now_ms(), "added_by": "an"}
    db.write(lambda c: c.execute(insert(do_not_send).values(row)))
    assert len(client.get("/v1/do-not-send?carrier=beeline").json()["items"]) == 1


@pytest.mark.parametrize("word", ["0", "-1", "+1", "01", "1.0", "x", "2147483648", "１"])
@pytest.mark.parametrize("command", ["run show {}", "run list --campaign {}", "report verify {}"])
def test_each_wrong_id_is_refused_in_the_same_words(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    word: str,
) -> None:
    status, said = refused(monkeypatch, capsys, *command.format(word).split())
    assert status == 2
    assert "is not a valid number" in said or "No such option" in said, said


@pytest.mark.parametrize("word", ["0", "x", "01"])
def test_the_api_says_the_same_of_each_wrong_id_and_repeats_only_digits(client: Client, word: str) -> None:
    repeated = "0" if word == "0" else "with this number"
    answer = client.get(f"/v1/runs/{word}")
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        f"There is no run {repeated}. See GET /v1/runs or `loa run list`.",
    )


@pytest.mark.parametrize("word", ["-1", "0", "1000001", "x"])
@pytest.mark.parametrize("command", ["do-not-send list", "inbound list", "report list"])
def test_a_list_has_a_sensible_length(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, word: str
) -> None:
    assert refused(monkeypatch, capsys, *command.split(), "--limit", word)[0] == 2

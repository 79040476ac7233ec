"""loa_carrier.py as carriers run it: one file in a process of its own, beside nothing of Loa."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.signed_orders import formats, loa_carrier
from app.signed_orders.loa_carrier import RESULT
from tests.app.signed_orders.documents import POLICE, order, row

pytestmark = pytest.mark.longer
NOW = datetime.now(UTC).replace(microsecond=0)
COUNTS = "area,eligible,excluded,sent,received,failed,no_receipt\n"


def at(**since: int) -> str:
    return (NOW + timedelta(**since)).strftime("%Y-%m-%dT%H:%M:%SZ")


def run(folder: Path, *words: str) -> tuple[int, str, str]:
    command = [sys.executable, "-I", "loa_carrier.py", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=20, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def good(folder: Path, *words: str) -> str:
    status, out, error = run(folder, *words)
    assert status == 0, error
    return out


def bad(folder: Path, *words: str) -> str:
    status, _, error = run(folder, *words)
    assert status == 1
    return error


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder as a carrier has it: the tool, the police's key, an order, and a key of its own."""
    shutil.copy(loa_carrier.__file__, tmp_path / "loa_carrier.py")
    (tmp_path / "police.jwk").write_text(json.dumps(loa_carrier.jwk(POLICE.public_key())))
    content = order(issued_at=at(days=-3))
    content["content"] |= {"valid_until": at(days=20), "begins_at": at(days=-3), "ends_at": at(days=9)}
    (tmp_path / "order.json").write_bytes(loa_carrier.sign(content, POLICE))
    good(tmp_path, "new-key", "own.pem", "--carrier", "vnpt")
    return tmp_path


def make(desk: Path, csv: str, *more: str, out: str = "result.json") -> Any:
    (desk / "counts.csv").write_text(csv, "utf-8")
    times = ("--began-at", at(days=-2), "--ended-at", at(days=-1))
    words = ("draft", "order.json", "counts.csv", "--key", "police.jwk", *times, *more)
    good(desk, *words, "--out", out)
    return json.loads((desk / out).read_text("utf-8"))


def test_from_an_order_to_a_signed_result_that_the_police_take(desk: Path) -> None:
    shown = good(desk, "show", "order.json", "--key", "police.jwk")
    assert "canh giac voi cuoc goi gia danh" in shown
    assert f"fingerprint {loa_carrier.fingerprint(loa_carrier.kid(POLICE.public_key()))}" in shown
    csv = (
        COUNTS
        + "03646,204000,4000,200000,190000,5000,5000\n03985,1003,0,1003,1000,3,0\n,500,0,500,480,10,10\n"
    )
    made = make(desk, csv, "--proves", "operator", "--final")
    assert made["withheld"]["areas"] == ["03985", "?"]
    assert made["areas"][-1] == row("*", 1_503, 1_480, 13)
    good(desk, "sign", "result.json", "--key", "own.pem", "--out", "signed.json")
    good(desk, "check", "signed.json", "--key", "own.pem.jwk", "--order", "order.json")
    signed = formats.read((desk / "signed.json").read_bytes(), RESULT)
    formats.check(signed, datetime.now(UTC))
    own = loa_carrier.read_jwk(json.loads((desk / "own.pem.jwk").read_text()))
    loa_carrier.verify(signed, {loa_carrier.kid(own): own})
    loa_carrier.match(signed.content, loa_carrier.read((desk / "order.json").read_bytes()))
    assert signed.content == made


def test_a_list_of_outcomes_is_counted_and_its_numbers_go_nowhere(desk: Path) -> None:
    lines = [f"0912345{n:03},03646,received," for n in range(40)]
    lines += [f"0912346{n:03},03646,failed,expired" for n in range(7)]
    lines += [f"0912347{n:03},03646,excluded,barred" for n in range(5)]
    made = make(desk, "\n".join(["phone,area,outcome,cause", *lines]), "--proves", "handset")
    assert made["totals"] == row(None, 47, 40, 7, 5)
    assert made["areas"] == [row("03646", 47, 40, 7, 5), row("03985", 0, 0, 0)]
    assert (made["failed"], made["excluded"]) == (
        [{"cause": "expired", "count": 7}],
        [{"cause": "barred", "count": 5}],
    )
    assert "091234" not in (desk / "result.json").read_text()


def test_a_table_as_offices_save_it_has_the_same_counts(desk: Path) -> None:
    lines = COUNTS + "03646,100,0,100,90,10,0\n"
    expected = make(desk, lines, "--proves", "operator")["totals"]
    assert expected == row(None, 100, 90, 10)
    for n, csv in enumerate(
        (lines.replace(",", ";"), lines.replace(",", "\t"), lines.replace("area", "Area "))
    ):
        assert make(desk, csv, "--proves", "operator", out=f"{n}.json")["totals"] == expected
    noted = "area,note,outcome\n" + "03646,a\u2028b,received\n" * 9
    assert make(desk, noted, "--proves", "operator", out="noted.json")["totals"]["received"] == 9


def test_without_receipts_nothing_is_claimed_of_what_arrived(desk: Path) -> None:
    made = make(desk, COUNTS + "03646,100,0,100,,,\n", "--proves", "none")
    assert made["totals"]["received"] is None


def test_the_private_key_is_for_its_owner_and_never_overwritten(desk: Path) -> None:
    assert stat.S_IMODE((desk / "own.pem").stat().st_mode) == 0o600
    assert isinstance(loa_carrier.read_private((desk / "own.pem").read_bytes()), Ed25519PrivateKey)
    assert "exists" in bad(desk, "new-key", "own.pem", "--carrier", "vnpt")


def test_what_is_wrong_is_one_sentence(desk: Path) -> None:
    assert "not trusted here" in bad(desk, "show", "order.json", "--key", "own.pem.jwk")
    assert "must be an Ed25519 JWK" in bad(desk, "show", "order.json", "--key", "order.json")
    altered = (desk / "order.json").read_text().replace('"payload": "', '"payload": "A', 1)
    (desk / "order.json").write_text(altered)
    assert "loa_carrier: " in bad(desk, "show", "order.json", "--key", "police.jwk")
    (desk / "odd.json").write_bytes(loa_carrier.sign({"format": "loa-order/1", "content": [1]}, POLICE))
    assert "does not keep its format" in bad(desk, "show", "odd.json", "--key", "police.jwk")
    assert "No such file" in bad(desk, "show", "nowhere.json", "--key", "police.jwk")


def test_a_wrong_table_is_refused_by_its_line(desk: Path) -> None:
    for csv, sentence in (
        ("area,outcome\n03646,gone\n", "Line 2: “gone” is not an outcome"),
        (COUNTS + "03646,1.000,0,1,1,0,0\n", "Line 2: eligible must be a whole number"),
        (COUNTS + "03646,9,0,8,8,0,0\n", "sent must be eligible minus excluded"),
        (COUNTS + "03646,9,0,9,9,0,0\n", "needs began_at"),
        (COUNTS + "0912345678,9,0,9,9,0,0\n", "not written as required"),
        (COUNTS + "03646,9,0,9,9,0,0\n03646,9,0,9,9,0,0\n", "Line 3 repeats the area “03646”"),
        (COUNTS + f"03646,{'9' * 5000},0,9,9,0,0\n", "Line 2: eligible must be a whole number"),
        # What is not found must not be signed as 0.
        (COUNTS, "The table has no line"),
        ("", "must name these columns once each: area, eligible"),
        ("area|eligible|sent\n03646|9|9\n", "must name these columns once each: area, eligible"),
        ("area,eligible,excluded,sent,received,no_receipt\n03646,9,0,9,9,0\n", "once each: failed"),
        ("area,outcome,outcome\n03646,failed,received\n", "once each: outcome"),
        ("area,outcome\n03646,received\n03646\n", "Line 3 has fewer cells than the first line"),
        ('area,note,outcome\n03646,"a,received\n03646,b,received\n', "unexpected end of data"),
    ):
        (desk / "counts.csv").write_text(csv)
        words = (
            "draft",
            "order.json",
            "counts.csv",
            "--key",
            "police.jwk",
            "--proves",
            "operator",
            "--out",
            "x.json",
        )
        assert sentence in bad(desk, *words)
        assert not (desk / "x.json").exists()

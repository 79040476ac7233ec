"""The carrier's side in JavaScript, from the published page alone: it understands Loa and is understood."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.core.errors import AppError
from app.database.connection import Database
from app.reports.figures import carrier_statement
from app.signed_orders import loa_carrier
from tests.app.signed_orders.documents import CARRIER, POLICE, row
from tests.app.signed_orders.scene import fetched, ordered, take
from tests.engines import by_default

database_url = by_default
NODE = shutil.which("node")
OTHER = Path(__file__).with_name("other_implementation.mjs")

REFUSED = {
    "altered": "was altered",
    "altered-figure": "was altered",
    "unsorted": "not canonical JSON",
    "fraction": "Only whole numbers",
    "exponent": "Only whole numbers",
    "twice": "given twice",
    "mark": "not JSON in UTF-8",
    "padding": "without padding",
    "none": "alg must be EdDSA",
    "crit": "exactly the fields",
    "stranger": "not trusted here",
    "order": "was not issued here",
    "sums": "must add up to sent",
    "phone": "contains a phone number",
    "small": "Area 125 has a cell of 1 to 4 persons",
    "area": "no row for the ordered area 116",
    "future": "in the future",
    "unbegun": "needs began_at",
}


def private(key: Ed25519PrivateKey) -> dict[str, str]:
    return loa_carrier.jwk(key.public_key()) | {"d": loa_carrier.b64(key.private_bytes_raw())}


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_a_result_of_another_implementation_is_taken_and_its_bad_ones_are_refused(
    db: Database, tmp_path: Path
) -> None:
    run_id = ordered(db)
    rows = [
        row("116", 200_000, 190_000, 5_000, 4_000),
        row("125", 145_000, 128_000, 16_997),
        row("?", 1_000, 900, 90),
    ]
    (tmp_path / "order.json").write_bytes(fetched(db, run_id))
    (tmp_path / "police.jwk").write_text(json.dumps(loa_carrier.jwk(POLICE.public_key())))
    (tmp_path / "own.jwk").write_text(json.dumps(private(CARRIER)))
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    subprocess.run([str(NODE), str(OTHER), str(tmp_path)], check=True, timeout=60)

    proved = loa_carrier.require_proof(json.loads((tmp_path / "public.jwk").read_bytes()), "vnpt")
    assert loa_carrier.jwk(proved) == loa_carrier.jwk(CARRIER.public_key())
    bad = {file.stem.removeprefix("bad-"): file.read_bytes() for file in tmp_path.glob("bad-*.json")}
    assert bad.keys() == REFUSED.keys()
    for name, content in bad.items():
        with pytest.raises(AppError) as refusal:
            take(db, run_id, content)
        assert re.search(REFUSED[name], str(refusal.value)), (name, str(refusal.value))

    good = (tmp_path / "good.json").read_bytes()
    taken = take(db, run_id, good)
    said = db.read(carrier_statement.latest, run_id)
    assert said is not None
    assert (taken.version, said.figures.general.sent) == (1, 346_000)
    content = loa_carrier.read(good).content
    shown, hidden = loa_carrier.withhold(rows)
    assert sorted(content["areas"], key=str) == sorted(shown, key=str)
    assert content["withheld"]["areas"] == hidden == ["125", "?"]

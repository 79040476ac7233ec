"""The page of signing keys: one registers, another approves by the fingerprint, and either revokes."""

from __future__ import annotations

from collections.abc import Callable

from app.database.connection import Database
from app.signed_orders import loa_carrier
from app.signed_orders.keys import RevokeBody
from tests.app.signed_orders.documents import CARRIER, POLICE
from tests.app.signed_orders.test_keys import kid, register, text
from tests.long.app.web.conftest import Paper
from tests.long.app.web.conftest import text as words
from tests.operations import carry_out

In = Callable[..., Paper]
PAGE = "/signing-keys"
FORM = {"key": text(CARRIER, "vnpt"), "carrier": "vnpt", "replaces": "", "overlap_days": "7"}


def test_a_key_is_registered_approved_and_revoked_on_the_page(pages_db: Database, signed_in: In) -> None:
    path, spoken = f"{PAGE}/{kid(CARRIER)}", loa_carrier.fingerprint(kid(CARRIER))
    asks = signed_in("admin")
    assert "Chưa đăng ký khóa ký số nào." in words(asks.get(PAGE).text)
    assert asks.send(PAGE, PAGE, **FORM).status_code == 303
    own = asks.send(PAGE, f"{path}/approve", fingerprint=spoken)
    assert own.status_code == 403
    assert "Bạn đã đăng ký khóa này" in words(own.text)
    path, spoken = f"{PAGE}/{kid(POLICE)}", loa_carrier.fingerprint(kid(POLICE))
    register(pages_db, POLICE, None)
    approves = signed_in("approver")
    waits = words(approves.get(PAGE).text)
    assert "chờ người thứ hai duyệt" in waits
    assert spoken not in waits
    wrong = approves.send(PAGE, f"{path}/approve", fingerprint="0000")
    assert wrong.status_code == 422
    assert "Đây không phải dấu vân tay của khóa đã đăng ký." in words(wrong.text)
    assert approves.send(PAGE, f"{path}/approve", fingerprint=spoken).status_code == 303
    assert spoken in words(approves.get(PAGE).text)
    assert carry_out(pages_db, "revoke_signing_key", kid=kid(POLICE), body=RevokeBody(reason="Mất máy tính"))
    assert "Mất máy tính" in words(approves.get(PAGE).text)


def test_a_private_key_that_is_pasted_is_refused(signed_in: In) -> None:
    secret = FORM["key"][:-1] + ', "d": "AAAA"}'
    answer = signed_in("admin").send(PAGE, PAGE, **FORM | {"key": secret})
    assert answer.status_code == 422
    assert "Đây là khóa bí mật (d)." in words(answer.text)

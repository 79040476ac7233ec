"""Signing keys: two persons and a fingerprint make one count; revoked, ended or altered it no longer does."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr
from sqlalchemy import update

from app.api.bodies import filled
from app.campaigns.approval import FourEyes
from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.database.connection import Database
from app.database.models import signing_keys
from app.operations import OPERATIONS
from app.security import kept_rows
from app.security.principal import Caller
from app.signed_orders import keys, loa_carrier
from tests.app.signed_orders.documents import CARRIER, POLICE, STRANGER
from tests.engines import each_engine
from tests.operations import carry_out

database_url = each_engine

OPERATOR = Caller("vnpt desk", "operator", "vnpt", person=True)


def text(key: Ed25519PrivateKey, holder: str | None = None) -> str:
    own = loa_carrier.jwk(key.public_key())
    return json.dumps(own | {"proof": loa_carrier.prove(key, holder or loa_carrier.AGENCY)})


def kid(key: Ed25519PrivateKey) -> str:
    return loa_carrier.kid(key.public_key())


def pem(key: Ed25519PrivateKey) -> str:
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


def register(
    db: Database, key: Ed25519PrivateKey, carrier: str | None, who: str = "lan", **more: Any
) -> None:
    body = filled(keys.SigningKeyBody, {"key": text(key, carrier), "carrier": carrier, **more})
    carry_out(db, "register_signing_key", who, body=body)


def approve(db: Database, key: Ed25519PrivateKey, who: str = "minh", said: str | None = None) -> Any:
    body = filled(keys.FingerprintBody, {"fingerprint": said or loa_carrier.fingerprint(kid(key))})
    return carry_out(db, "approve_signing_key", who, kid=kid(key), body=body)


def in_force(db: Database, key: Ed25519PrivateKey, carrier: str | None) -> None:
    register(db, key, carrier)
    approve(db, key)


def trusted(db: Database, carrier: str | None) -> list[str]:
    return list(db.read(keys.trusted, carrier))


def state(db: Database, key: Ed25519PrivateKey) -> str:
    return str(next(each for each in carry_out(db, "list_signing_keys") if each.kid == kid(key)).state)


def as_operator(db: Database, name: str, **arguments: Any) -> Any:
    return OPERATIONS[name].run(db, Settings(), OPERATOR, **arguments)


def test_a_key_counts_once_another_person_has_heard_its_fingerprint(db: Database) -> None:
    register(db, CARRIER, "vnpt")
    assert (trusted(db, "vnpt"), state(db, CARRIER)) == ([], "asked")
    assert carry_out(db, "list_signing_keys")[0].fingerprint is None  # the approver asks its holder
    with pytest.raises(FourEyes):
        approve(db, CARRIER, who="lan")
    with pytest.raises(Invalid, match="not the fingerprint"):
        approve(db, CARRIER, said=loa_carrier.fingerprint(kid(STRANGER)))
    spoken = loa_carrier.fingerprint(kid(CARRIER)).upper().replace(" ", "-")
    assert approve(db, CARRIER, said=spoken).approved_by == "minh"
    assert trusted(db, "vnpt") == [kid(CARRIER)]
    assert (trusted(db, None), trusted(db, "viettel")) == ([], [])
    with pytest.raises(Conflict, match="not waiting"):
        approve(db, CARRIER)


def test_a_revoked_key_never_comes_back(db: Database) -> None:
    in_force(db, CARRIER, "vnpt")
    body = keys.RevokeBody(reason="Mất máy tính")
    carry_out(db, "revoke_signing_key", kid=kid(CARRIER), body=body)
    assert (trusted(db, "vnpt"), state(db, CARRIER)) == ([], "revoked")
    with pytest.raises(Conflict, match="revoked already"):
        carry_out(db, "revoke_signing_key", kid=kid(CARRIER), body=body)
    with pytest.raises(Conflict, match="already registered"):
        register(db, CARRIER, "vnpt")


def test_a_rotated_key_stays_in_force_for_its_overlap(db: Database) -> None:
    in_force(db, CARRIER, "vnpt")
    with pytest.raises(Invalid, match="same holder"):
        register(db, STRANGER, "viettel", replaces=kid(CARRIER))
    register(db, STRANGER, "vnpt", replaces=kid(CARRIER), overlap_days=3)
    approve(db, STRANGER)
    assert set(trusted(db, "vnpt")) == {kid(CARRIER), kid(STRANGER)}
    end_sooner(db, days=4)
    assert trusted(db, "vnpt") == [kid(STRANGER)]


@pytest.mark.parametrize(("ends_in", "left"), [(1, 1), (30, 3)])
def test_a_rotated_key_that_ends_anyway_ends_at_the_earlier_time(
    db: Database, ends_in: int, left: int
) -> None:
    in_force(db, CARRIER, "vnpt")
    body = keys.KeyEndBody(at=clock.now() + timedelta(days=ends_in))
    carry_out(db, "end_signing_key", kid=kid(CARRIER), body=body)
    register(db, STRANGER, "vnpt", replaces=kid(CARRIER), overlap_days=3)
    approve(db, STRANGER)
    ends = {each.kid: each.ends_at for each in carry_out(db, "list_signing_keys")}
    assert abs(ends[kid(CARRIER)] - clock.now() - timedelta(days=left)) < timedelta(minutes=1)
    assert ends[kid(STRANGER)] is None


def test_the_holder_of_a_replaced_key_moves_its_end_no_later(db: Database) -> None:
    in_force(db, CARRIER, "vnpt")
    register(db, STRANGER, "vnpt", replaces=kid(CARRIER), overlap_days=3)
    approve(db, STRANGER)
    later, sooner = (keys.KeyEndBody(at=clock.now() + timedelta(days=days)) for days in (4, 1))
    with pytest.raises(Invalid, match="was replaced by another one and ends at"):
        as_operator(db, "end_signing_key", kid=kid(CARRIER), body=later)
    assert as_operator(db, "end_signing_key", kid=kid(CARRIER), body=sooner).ends_at < later.at
    as_operator(db, "end_signing_key", kid=kid(STRANGER), body=sooner)
    assert as_operator(db, "end_signing_key", kid=kid(STRANGER), body=later).ends_at == clock.moment(
        clock.to_ms(later.at)
    )


def end_sooner(db: Database, days: int) -> None:
    moved = update(signing_keys).values(ends_at=signing_keys.c.ends_at - days * clock.DAY_MS)
    db.write(lambda c: c.execute(moved))
    db.write(kept_rows.adopt)  # as if Loa had set that end


def test_a_key_ends_at_the_time_that_was_set(db: Database) -> None:
    in_force(db, CARRIER, "vnpt")
    with pytest.raises(Invalid, match="future"):
        carry_out(db, "end_signing_key", kid=kid(CARRIER), body=keys.KeyEndBody(at=clock.now()))
    body = keys.KeyEndBody(at=clock.now() + timedelta(days=1))
    assert carry_out(db, "end_signing_key", kid=kid(CARRIER), body=body).state == "active"
    end_sooner(db, days=2)
    assert (trusted(db, "vnpt"), state(db, CARRIER)) == ([], "ended")


def test_a_key_that_was_put_or_changed_in_the_database_counts_for_nothing(db: Database) -> None:
    in_force(db, CARRIER, "vnpt")
    other = {"kid": kid(STRANGER), "x": loa_carrier.jwk(STRANGER.public_key())["x"]}
    db.write(lambda c: c.execute(update(signing_keys).values(other)))
    assert (trusted(db, "vnpt"), state(db, STRANGER)) == ([], "altered")
    assert carry_out(db, "publish_signing_keys").keys == []


def test_an_operator_sees_and_changes_its_own_carriers_keys_alone(db: Database) -> None:
    in_force(db, POLICE, None)
    register(db, STRANGER, "viettel")
    body = filled(keys.SigningKeyBody, {"key": text(CARRIER, "vnpt")})
    registered = as_operator(db, "register_signing_key", body=body)
    assert (registered.carrier, registered.state) == ("vnpt", "asked")
    assert {each.kid for each in as_operator(db, "list_signing_keys")} == {kid(POLICE), kid(CARRIER)}
    assert [each.kid for each in as_operator(db, "publish_signing_keys").keys] == [kid(POLICE)]
    with pytest.raises(Forbidden, match="only be used for vnpt"):
        as_operator(db, "register_signing_key", body=body.model_copy(update={"carrier": "viettel"}))
    for key in (STRANGER, POLICE):
        with pytest.raises(NotFound):
            as_operator(db, "revoke_signing_key", kid=kid(key), body=keys.RevokeBody(reason="x"))
    assert as_operator(
        db, "revoke_signing_key", kid=kid(CARRIER), body=keys.RevokeBody(reason="x")
    ).revoked_at


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("{", "damaged"),
        ("[]", "must be an Ed25519 JWK"),
        ('{"kty":"OKP","crv":"Ed25519","x":"AA"}', "32 bytes"),
        ('{"kty":"OKP","crv":"X25519","x":"AA"}', "must be an Ed25519 JWK"),
        ('{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}', "private key"),
        (text(POLICE)[:-1] + ',"kid":"x"}', "thumbprint"),
    ],
)
def test_what_is_no_public_key_is_refused(db: Database, said: str, sentence: str) -> None:
    body = filled(keys.SigningKeyBody, {"key": said, "carrier": "vnpt"})
    with pytest.raises(Invalid, match=sentence):
        carry_out(db, "register_signing_key", body=body)


def test_orders_are_signed_by_a_registered_key_of_the_settings_alone(db: Database) -> None:
    def signer(**settings: Any) -> str:
        said = Settings().model_copy(update=settings)
        return kid(db.read(keys.own_key, said))

    with pytest.raises(Conflict, match="no key to sign with"):
        signer()
    with pytest.raises(Conflict, match="cannot be used"):
        signer(order_key=SecretStr("x"))
    with pytest.raises(Conflict, match="not an approved key of the agency"):
        signer(order_key=SecretStr(pem(POLICE)))
    in_force(db, POLICE, None)
    assert signer(order_key=SecretStr(pem(POLICE))) == kid(POLICE)


LOW_ORDER = (  # with other encodings of the same points, and points of the twist
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0200000000000000000000000000000000000000000000000000000000000000",
)


@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_point_that_nobody_has_a_private_key_for_is_refused(db: Database, point: str) -> None:
    said = json.dumps({"kty": "OKP", "crv": "Ed25519", "x": loa_carrier.b64(bytes.fromhex(point))})
    with pytest.raises(Invalid, match="not a valid Ed25519 public key"):
        carry_out(db, "register_signing_key", body=filled(keys.SigningKeyBody, {"key": said}))


def test_a_sound_key_plus_a_point_of_low_order_is_refused() -> None:
    x, y = _affine(POLICE.public_key().public_bytes_raw())
    prime = 2**255 - 19
    turned = (prime - y).to_bytes(32, "little")  # plus the point (0, -1), of order 2: (-x, -y)
    mixed = turned[:31] + bytes([turned[31] | ((prime - x) & 1) << 7])
    assert loa_carrier.is_sound(POLICE.public_key().public_bytes_raw())
    assert not loa_carrier.is_sound(mixed)


def _affine(raw: bytes) -> tuple[int, int]:
    prime = 2**255 - 19
    d = -121665 * pow(121666, -1, prime)
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    square = (y * y - 1) * pow(d * y * y + 1, -1, prime) % prime
    x = pow(square, (prime + 3) // 8, prime)
    if (x * x - square) % prime:
        x = x * pow(2, (prime - 1) // 4, prime) % prime
    return (x if x & 1 == raw[31] >> 7 else prime - x), y


def test_a_key_of_low_order_that_was_approved_before_counts_for_nothing(db: Database) -> None:
    in_force(db, CARRIER, "vnpt")
    x = loa_carrier.b64((1).to_bytes(32, "little"))
    db.write(lambda c: c.execute(update(signing_keys).values(x=x)))
    assert trusted(db, "vnpt") == []


def test_a_key_is_registered_by_whom_has_its_private_part_alone(db: Database) -> None:
    """Else a carrier registers another's public key first, and that one is told that it is taken."""
    bare = json.dumps(loa_carrier.jwk(CARRIER.public_key()))
    for said, sentence in (
        (bare, "has no proof"),
        (text(CARRIER, "viettel"), "not of this key and holder"),
        (text(CARRIER), "not of this key and holder"),
        (json.dumps(json.loads(text(STRANGER, "vnpt")) | json.loads(bare)), "not of this key and holder"),
    ):
        body = filled(keys.SigningKeyBody, {"key": said, "carrier": "vnpt"})
        with pytest.raises(Invalid, match=sentence):
            carry_out(db, "register_signing_key", body=body)
    register(db, CARRIER, "vnpt")

"""Verifies the signatures of kept orders and results again, for `loa verify`."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Row, Table, select

from app.database.models import (
    exported_results,
    received_orders,
    signed_orders,
    signed_results,
    signing_keys,
)
from app.signed_orders import loa_carrier
from app.signed_orders.loa_carrier import Refused
from carriers.phrases import Phrase

_KINDS = (
    ("Order", signed_orders),
    ("Result", signed_results),
    ("Received order", received_orders),
    ("Exported result", exported_results),
)


def differences(connection: Connection) -> list[str]:
    """Return a sentence for each kept document that is no longer the one that its key has signed."""
    keys = {row.kid: row for row in connection.execute(select(signing_keys)).all()}
    return [each for name, table in _KINDS for each in _of_table(connection, name, table, keys)]


def _of_table(
    connection: Connection, name: str, table: Table, keys: dict[str, Row[tuple[object, ...]]]
) -> Iterator[str]:
    for row in connection.execute(select(table).order_by(table.c.id)):
        why = _fault(row, keys.get(row.kid))
        if why:
            yield Phrase("{name} {id}: {why}", name=Phrase(name), id=row.id, why=why)


def _fault(row: Row[tuple[object, ...]], key: Row[tuple[object, ...]] | None) -> str | None:
    """Return why a document is not what was kept; keys that have ended or are revoked still verify."""
    if key is None:
        return Phrase("Its key {kid} is not registered. The database was altered.", kid=row.kid)
    try:
        signed = loa_carrier.read(bytes(row.content))
        public = loa_carrier.read_jwk({"kty": "OKP", "crv": "Ed25519", "x": key.x})
        loa_carrier.verify(signed, {str(row.kid): public})
    except Refused as refusal:
        return Phrase(refusal.template, **refusal.values)
    if signed.sha256 != row.sha256:
        return Phrase("Its content differs from its SHA-256. The database was altered.")
    return None

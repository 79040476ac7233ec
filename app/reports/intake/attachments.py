"""Scans and papers behind figures: PDF, PNG or JPEG by their first bytes, once for each account."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, case, insert, select

from app.core import clock
from app.core.errors import Invalid, no_such
from app.database.models import attachments
from app.file_import.upload import UploadedFile
from app.reports.document_meta import Attachment
from app.security import audit, tenant_scope

_KINDS = ((b"%PDF-", "application/pdf"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))
_ENDINGS = {"application/pdf": (".pdf",), "image/png": (".png",), "image/jpeg": (".jpg", ".jpeg")}
_NAME_LENGTH = 200


def keep(connection: Connection, path: Path, file: UploadedFile, who: str) -> Attachment:
    """Keep a file that has come in whole; the same bytes again by the same account are the same attachment.

    Invalid for another type than PDF, PNG and JPEG: the first bytes tell, not the name.
    """
    found = _own(connection, file.sha256, who)
    if found is not None:
        return found
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise Invalid("The file changed while it was read; send it again.", field="file")
    kept = Attachment(file.sha256, _clean(file.name), _media_type(content), len(content))
    made = {"created_at": clock.now_ms(), "created_by": who, "content": content}
    row = {"sha256": kept.sha256, "name": kept.name, "media_type": kept.media_type, "size": kept.size}
    connection.execute(insert(attachments).values(row | made))
    audit.note(connection, who, "attachment.keep", f"attachment/{kept.sha256[:16]}", size=kept.size)
    return kept


def _media_type(content: bytes) -> str:
    for magic, media_type in _KINDS:
        if content.startswith(magic):
            return media_type
    raise Invalid(
        "The attachment is a scan or paper as PDF, PNG or JPEG; this is none of them.", field="file"
    )


def _clean(name: str) -> str:
    """The name as it may stand in a header and a list."""
    return "".join(char if char.isprintable() else " " for char in name).strip()[:_NAME_LENGTH] or "file"


def saved_as(kept: Attachment) -> str:
    """The name to save it by: with an ending of its kind, since the one it came with may start a program."""
    endings = _ENDINGS[kept.media_type]
    return kept.name if kept.name.lower().endswith(endings) else f"{kept.name}{endings[0]}"


def _own(connection: Connection, sha256: str, who: str) -> Attachment | None:
    """What this account has handed in already."""
    a = attachments.c
    query = select(a.sha256, a.name, a.media_type, a.size).where(a.sha256 == sha256, a.created_by == who)
    row = connection.execute(query).first()
    return None if row is None else Attachment(*row)


def id_of(connection: Connection, sha256: str | None, who: str, carrier: str | None) -> int | None:
    """The row of an attachment that the caller may see; Invalid for any other, there or not.

    carrier: that of an operator, None for who sees every carrier's.
    """
    if sha256 is None:
        return None
    found: int | None = connection.execute(_seen(select(attachments.c.id), sha256, who, carrier)).scalar()
    if found is None:
        raise Invalid(
            "There is no attachment of this sha256; hand the file in first (POST /v1/attachments).",
            field="attachment",
        )
    return found


def fetch(connection: Connection, sha256: str, who: str, carrier: str | None) -> tuple[Attachment, bytes]:
    """An attachment with its bytes; NotFound for what is not there, and for what is not the carrier's."""
    row: Row[Any] | None = connection.execute(_seen(select(attachments), sha256, who, carrier)).first()
    if row is None:
        raise no_such("attachment", "of this sha256")
    return Attachment(row.sha256, row.name, row.media_type, row.size), bytes(row.content)


def _seen(query: Select[Any], sha256: str, who: str, carrier: str | None) -> Select[Any]:
    """One rule for reading a file and for naming it: what an operator may not read, it can't name.

    The caller's own of the same bytes comes before those of others.
    """
    a = attachments.c
    query = query.where(a.sha256 == sha256).order_by(case((a.created_by == who, 0), else_=1), a.id).limit(1)
    return query if carrier is None else query.where(tenant_scope.own_attachments(carrier))

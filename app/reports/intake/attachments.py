"""Attachments of statements: PDF, PNG or JPEG by their first bytes, stored once per account."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, case, insert, select

from app.core import clock
from app.core.errors import Invalid, no_such
from app.database.models import attachments
from app.file_import.upload import UploadedFile
from app.reports.figures.document_meta import Attachment
from app.security import audit, kept_rows, tenant_scope
from carriers.phrases import Phrase

_KINDS = ((b"%PDF-", "application/pdf"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))
_ENDINGS = {"application/pdf": (".pdf",), "image/png": (".png",), "image/jpeg": (".jpg", ".jpeg")}
_NAME_LENGTH = 200


def keep(connection: Connection, path: Path, file: UploadedFile, who: str) -> Attachment:
    """Store a complete file; the same bytes from the same account are the same attachment.

    Raises Invalid unless the first bytes are those of PDF, PNG or JPEG; the name does not count.
    """
    found = _own(connection, file.sha256, who)
    if found is not None:
        return found
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise Invalid("The file changed while it was being read. Upload it again.", field="file")
    kept = Attachment(file.sha256, _clean(file.name), _media_type(content), len(content))
    made = {"created_at": clock.now_ms(), "created_by": who, "content": content}
    row = {"sha256": kept.sha256, "name": kept.name, "media_type": kept.media_type, "size": kept.size}
    connection.execute(insert(attachments).values(row | made))
    own = attachments.c.sha256 == kept.sha256, attachments.c.created_by == who
    said = {"size": kept.size, "kept": kept_rows.kept(connection, attachments, *own)}
    audit.note(connection, who, "attachment.keep", f"attachment/{kept.sha256[:16]}", **said)
    return kept


def _media_type(content: bytes) -> str:
    for magic, media_type in _KINDS:
        if content.startswith(magic):
            return media_type
    raise Invalid("The attachment must be a scan or document in PDF, PNG or JPEG format.", field="file")


def _clean(name: str) -> str:
    return "".join(char if char.isprintable() else " " for char in name).strip()[:_NAME_LENGTH] or "file"


def saved_as(attachment: Attachment) -> str:
    """Return a safe file name: its ending fits the content, since the original one may start a program."""
    endings = _ENDINGS[attachment.media_type]
    return attachment.name if attachment.name.lower().endswith(endings) else f"{attachment.name}{endings[0]}"


def _own(connection: Connection, sha256: str, who: str) -> Attachment | None:
    a = attachments.c
    query = select(a.sha256, a.name, a.media_type, a.size).where(a.sha256 == sha256, a.created_by == who)
    row = connection.execute(query).first()
    return None if row is None else Attachment(*row)


def id_of(connection: Connection, sha256: str | None, who: str, carrier: str | None) -> int | None:
    """Return the id of an attachment the caller may see; raises Invalid for any other, existing or not.

    carrier: an operator's carrier; None for a caller who sees all.
    """
    if sha256 is None:
        return None
    found: int | None = connection.execute(_seen(select(attachments.c.id), sha256, who, carrier)).scalar()
    if found is None:
        raise Invalid(
            "There is no attachment with this sha256. Upload the file first (POST /v1/attachments).",
            field="attachment",
        )
    return found


def fetch(connection: Connection, sha256: str, who: str, carrier: str | None) -> tuple[Attachment, bytes]:
    """Return an attachment with its bytes; raises NotFound, also for another carrier's."""
    row: Row[Any] | None = connection.execute(_seen(select(attachments), sha256, who, carrier)).first()
    if row is None:
        raise no_such("attachment", Phrase("with this sha256"))
    return Attachment(row.sha256, row.name, row.media_type, row.size), bytes(row.content)


def _seen(query: Select[Any], sha256: str, who: str, carrier: str | None) -> Select[Any]:
    """Restrict to what the caller may read, which is also all it may refer to.

    Of equal bytes, the caller's own attachment comes first.
    """
    a = attachments.c
    query = query.where(a.sha256 == sha256).order_by(case((a.created_by == who, 0), else_=1), a.id).limit(1)
    return query if carrier is None else query.where(tenant_scope.own_attachments(carrier))

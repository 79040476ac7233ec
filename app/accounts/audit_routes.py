"""API routes of the audit."""

from __future__ import annotations

from app.api.dependencies import Config, Db, Page, Paging, Routes, Who, page_of
from app.security import audit
from app.security.audit import Act, Chain

audit_router = Routes(prefix="/v1/audit", tags=["audit"])


@audit_router.get("")
def list_acts(db: Db, who: Who, paging: Paging) -> Page[Act]:
    """List what people did, in order; each act's hash covers its content and the hash of the act before."""
    return page_of(db.read(audit.listed, paging.after, paging.limit).items, paging)


@audit_router.get("/verification")
def verify_audit(db: Db, who: Who, settings: Config) -> Chain:
    """Recompute the whole chain: how many acts there are, the last one's hash, and the first fault if any.

    With a secret_key each row's seal is checked too; heads kept outside the database are compared.
    """
    return db.read(audit.verify, audit.kept(settings))

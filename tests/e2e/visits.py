"""Every page that reads, and who looks at it: in Chromium (test_all_pages.py), and word for word."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visit:
    """A page in a scene, and who looks at it; "": somebody who has not signed in."""

    name: str
    path: str
    who: str = "admin"
    papers: bool = False  # where reports are, else the province in the middle of its work


VISITS = (
    Visit("sign-in", "/sign-in", ""),
    Visit("verify", "/verify", ""),
    Visit("verify-poster", "/verify/poster", ""),
    Visit("verify-report", "/verify/reports", ""),
    Visit("overview", "/"),
    Visit("search", "/search?q=2"),
    Visit("wall", "/wall", "auditor"),
    Visit("overview-vnpt", "/", "vnpt"),
    Visit("campaigns", "/campaigns"),
    Visit("campaigns-found", "/campaigns?q=canh&since=99/99/9999&sort=name"),
    Visit("campaign", "/campaigns/1"),
    Visit("campaign-edit", "/campaigns/2/edit"),
    Visit("compose", "/compose?text=gia-danh-cong-an"),
    Visit("approvals", "/approvals?campaign=2", "approver"),
    Visit("follow-up", "/campaigns/1/follow-up"),
    Visit("run", "/runs/1", "viettel"),
    Visit("run-planned", "/runs/3"),
    Visit("unknown", "/runs/1/unknown", "viettel"),
    Visit("batches", "/batches"),
    Visit("batch-new", "/batches/new", "vnpt"),
    Visit("batch", "/batches/2?campaign=1"),
    Visit("delivery", "/deliveries/1/2/19"),
    Visit("directives", "/directives"),
    Visit("directive", "/directives/1"),
    Visit("directive-new", "/directives/new"),
    Visit("outreach", "/directives/1/report?addressee=Sở Tư pháp"),
    Visit("texts", "/texts"),
    Visit("links", "/links"),
    Visit("sender-names", "/sender-names"),
    Visit("sender-name", "/sender-names/1"),
    Visit("panel", "/panel"),
    Visit("run-panel", "/runs/1/panel"),
    Visit("signing-keys", "/signing-keys"),
    Visit("receipts", "/receipts"),
    Visit("inbound", "/inbound", "viettel"),
    Visit("find-person", "/find", "viettel"),
    Visit("person-requests", "/person-requests"),
    Visit("person-request", "/person-requests/1", papers=True),
    Visit("receipt-files", "/receipt-files", "vnpt"),
    Visit("receipt-file-new", "/receipt-files/new", "vnpt"),
    Visit("receipt-file", "/receipt-files/1", "vnpt"),
    Visit("do-not-send", "/do-not-send"),
    Visit("notices", "/notices"),
    Visit("erasures", "/erasures", papers=True),
    Visit("erasure", "/erasures/1", papers=True),
    Visit("audit", "/audit", "auditor"),
    Visit("audit-chain", "/audit/verification", "auditor"),
    Visit("people", "/people"),
    Visit("person", "/people/Trực VNPT"),
    Visit("keys", "/keys"),
    Visit("key", "/keys/may-tinh-so-1"),
    Visit("account", "/account", "approver"),
    Visit("second-factor", "/second-factor", "auditor"),
    Visit("reports", "/reports", papers=True),
    Visit("report-run", "/reports/runs/1", papers=True),
    Visit("report-campaign", "/reports/campaigns/1", papers=True),
    Visit("report-directive", "/reports/directives/1", papers=True),
    Visit("report-frozen", "/reports/2", papers=True),
)

"""Operations on carriers' result files: list, reconciliation, lines."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.core.ids import Number
from app.core.states import BatchState
from app.database.listing import ListPart
from app.operations import Download, OfCarrier, Paging, Transaction, operation
from app.receipts.result_files import queries
from app.receipts.result_files.queries import ReceiptFile, ResultLineView, table_csv
from app.receipts.result_files.verdicts import ResultVerdict
from app.security.roles import EVERYBODY

TAG = "receipt files"
State = Annotated[BatchState | None, Field(description="only in this state", examples=["ready"])]
Only = Annotated[ResultVerdict | None, Field(description="only lines with this verdict")]


@operation(
    "GET /v1/receipt-files",
    roles=EVERYBODY,
    command="receipts list",
    columns=("id", "carrier", "campaign_id", "name", "state", "percent", "lines", "first_at", "last_at"),
)
def list_receipt_files(
    tx: Transaction, paging: Paging, carrier: OfCarrier = None, state: State = None
) -> ListPart[ReceiptFile]:
    """List result files in order of arrival."""
    return queries.listed(tx.connection, paging.request, paging.limit, carrier, state)


@operation("GET /v1/receipt-files/{file_id}", roles=EVERYBODY)
def get_receipt_file(tx: Transaction, file_id: Number) -> ReceiptFile:
    """Get one file with its reconciliation: what became of its lines, and which messages it does not name."""
    return queries.get(tx.connection, file_id, tx.who.carrier)


@operation("GET /v1/receipt-files/{file_id}/lines", roles=EVERYBODY)
def list_receipt_lines(
    tx: Transaction, file_id: Number, paging: Paging, verdict: Only = None
) -> ListPart[ResultLineView]:
    """List its lines with what became of each, numbers masked; `next` is a line number."""
    queries.get(tx.connection, file_id, tx.who.carrier)
    after = paging.request if isinstance(paging.request, int) else 0
    lines = queries.lines_page(tx.connection, file_id, after, paging.limit, verdict)
    return ListPart(lines, 0, str(lines[-1].line or "") if len(lines) == paging.limit else "")


@operation(
    "GET /v1/receipt-files/{file_id}/reconciliation.csv",
    roles=EVERYBODY,
    files={"content": {"text/csv": {}}},
)
def download_reconciliation(tx: Transaction, file_id: Number) -> Download:
    """Download the counts as CSV for Excel."""
    content = "".join(table_csv(queries.get(tx.connection, file_id, tx.who.carrier)))
    name = f"receipt-file-{file_id}-reconciliation.csv"
    return Download(content.encode(), name, "text/csv; charset=utf-8")

"""A carrier's own result file as receipts: read, applied through the one door, reconciled with the ledger."""

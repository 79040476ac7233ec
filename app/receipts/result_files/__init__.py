"""Import a carrier's result file as receipts: parse it, apply it like any receipt, reconcile it."""

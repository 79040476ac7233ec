"""Deliveries, submissions, receipts, chunks and tallies: the few hot operations, on two engines."""

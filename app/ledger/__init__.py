"""Deliveries, submissions, receipts, chunks and tallies, and the few hot operations on them: two engines, one contract."""
